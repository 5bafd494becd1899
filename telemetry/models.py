"""What the fleet says: series sets, windows, findings, and an account of everything refused."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from fleet.models import Node, Site


class SeriesSet(models.Model):
    """One ordered list of series, announced once; windows carry only columns in this order."""

    hash = models.CharField(max_length=64, unique=True)
    #: `[[metric, unit, device], ...]`, in column order.
    series = models.JSONField()

    def __str__(self) -> str:
        return f"{len(self.series)} series {self.hash[:8]}"


class WindowRow(models.Model):
    """One node's summaries over one window; written by `store` alone, in daily partitions."""

    # The table is made by a migration: Django cannot partition, and a primary key would cost
    # an index entry a row while the ledger already refuses a window that comes twice.
    pk = models.CompositePrimaryKey("node", "start")
    node = models.ForeignKey(Node, on_delete=models.DO_NOTHING, related_name="+")
    series_set = models.ForeignKey(SeriesSet, on_delete=models.DO_NOTHING, related_name="+")
    start = models.DateTimeField()
    seconds = models.FloatField()
    flags = models.SmallIntegerField()
    received_at = models.DateTimeField()
    n = ArrayField(models.IntegerField())
    min = ArrayField(models.FloatField())
    max = ArrayField(models.FloatField())
    sum = ArrayField(models.FloatField())
    last = ArrayField(models.FloatField())

    class Meta:
        managed = False
        db_table = "telemetry_window"

    def __str__(self) -> str:
        return f"node {self.node_id} from {self.start:%F %T}Z"


class AgentSource(models.Model):
    """One spool of one agent: the space in which batch numbers are unique."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE)
    agent = models.CharField(max_length=64)
    epoch = models.CharField(max_length=64)
    agent_version = models.CharField(max_length=40)
    first_hello_at = models.DateTimeField()
    last_hello_at = models.DateTimeField()
    #: Agent's clock minus the server's, in seconds, at the last hello.
    clock_offset_seconds = models.FloatField(default=0.0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["site", "agent", "epoch"], name="one_source_per_spool_of_an_agent"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent} at {self.site}"


class LedgerEntry(models.Model):
    """One batch that was taken, for ever: a second one with its number changes nothing."""

    pk = models.CompositePrimaryKey("source", "lane", "seq")
    source = models.ForeignKey(AgentSource, on_delete=models.CASCADE)
    lane = models.SmallIntegerField()
    seq = models.BigIntegerField()
    #: CRC-32 of the frame's bytes: the same number with other content is a cloned spool.
    checksum = models.BigIntegerField()
    windows = models.IntegerField()
    received_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"batch {self.lane}/{self.seq}"


class Gap(models.Model):
    """Windows of a node that will never come, counted, with the reason."""

    class Cause(models.TextChoices):
        EVICTED = "evicted"
        CORRUPT = "corrupt"
        AGENT_DOWN = "agent_down"
        CLOCK = "clock"
        REJECTED = "rejected"

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="gaps")
    start = models.DateTimeField()
    end = models.DateTimeField()
    windows = models.IntegerField()
    cause = models.CharField(max_length=20, choices=Cause.choices)
    reported_at = models.DateTimeField()

    class Meta:
        ordering = ["-start"]

    def __str__(self) -> str:
        return f"{self.windows} windows of {self.node} ({self.cause})"


class Rejection(models.Model):
    """One refused frame or window, kept with its reason and its first bytes."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="rejections")
    source = models.ForeignKey(AgentSource, null=True, on_delete=models.SET_NULL)
    received_at = models.DateTimeField()
    code = models.CharField(max_length=40)
    path = models.CharField(max_length=200)
    message = models.CharField(max_length=500)
    lane = models.SmallIntegerField(null=True)
    seq = models.BigIntegerField(null=True)
    size = models.IntegerField()
    head = models.BinaryField(max_length=4096)

    class Meta:
        ordering = ["-received_at", "-id"]

    def __str__(self) -> str:
        return f"{self.code} at {self.path}"


class IngestDoor(models.Model):
    """One running ingest process; nobody is overdue while no door was open."""

    process = models.UUIDField(primary_key=True)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"door {self.process}"


class BootRecord(models.Model):
    """One boot of one node, as first reported."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="boots")
    boot_id = models.CharField(max_length=64)
    reported_at = models.DateTimeField()
    uptime_seconds = models.FloatField()

    class Meta:
        ordering = ["node", "reported_at"]
        constraints = [
            models.UniqueConstraint(fields=["node", "boot_id"], name="one_record_per_boot"),
        ]

    def __str__(self) -> str:
        return f"boot {self.boot_id[:8]} of {self.node}"


class DetectorState(models.Model):
    """What the detectors remember of one site, and how far they have read."""

    site = models.OneToOneField(Site, on_delete=models.CASCADE, primary_key=True)
    state = models.JSONField(default=dict)
    evaluated_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"detectors of {self.site}"


class Finding(models.Model):
    """One fact a detector holds to be wrong, open until the detector says it is over."""

    class Kind(models.TextChoices):
        THERMAL_ENVELOPE = "thermal.envelope", "Thermal envelope"
        THERMAL_THROTTLE = "thermal.throttle", "Throttling"
        NODE_SILENT = "node.silent", "Node silent"
        NODE_REBOOT = "node.reboot", "Unexpected reboot"
        SITE_DARK = "site.dark", "Site dark"
        MODEL_MISMATCH = "model.mismatch", "Model differs"
        MODEL_FAILING = "model.failing", "Model not responding"
        CONFIG_DRIFT = "config.drift", "Configuration drift"
        POWER_BATTERY = "power.battery", "On battery"
        DISK_FULL = "disk.full", "Disk nearly full"
        MEMORY_PRESSURE = "memory.pressure", "Memory pressure"
        METRIC_THRESHOLD = "metric.threshold", "Threshold passed"
        HEARTBEAT_LATE = "heartbeat.late", "Heartbeat late"
        EXTERNAL_ALERT = "external.alert", "External alert"

    class Source(models.TextChoices):
        """Who says so, and alone may say that it is over."""

        DETECTOR = "detector"
        HEARTBEAT = "heartbeat"
        ALERTMANAGER = "alertmanager"

    class Severity(models.IntegerChoices):
        """Ordered on purpose: a lower number is more urgent."""

        URGENT = 1
        HIGH = 2
        LOW = 3

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="findings")
    node = models.ForeignKey(
        Node, null=True, blank=True, on_delete=models.CASCADE, related_name="findings"
    )
    source = models.CharField(max_length=20, choices=Source.choices, default=Source.DETECTOR)
    kind = models.CharField(max_length=40, choices=Kind.choices)
    fingerprint = models.CharField(max_length=300)
    severity = models.PositiveSmallIntegerField(choices=Severity.choices)
    summary = models.CharField(max_length=300)
    evidence = models.JSONField(default=dict)
    #: Event time at which it began, as the data say; may lie long before `detected_at`.
    began_at = models.DateTimeField()
    detected_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True, blank=True)
    #: Rises with each change that an alert must hear of.
    revision = models.PositiveIntegerField(default=1)
    #: The revision the alerts have heard of; lower than `revision` means intake is owed.
    taken_in_revision = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["severity", "-began_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "fingerprint"],
                condition=models.Q(cleared_at__isnull=True),
                name="one_open_finding_per_fingerprint",
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(revision__gt=models.F("taken_in_revision")),
                name="findings_owed_to_intake",
            ),
        ]

    def __str__(self) -> str:
        return self.summary
