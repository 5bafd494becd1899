"""Runbooks and their immutable editions."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Runbook(models.Model):
    """One document that says what to do about one kind of trouble."""

    slug = models.SlugField(max_length=60, unique=True)
    title = models.CharField(max_length=120)
    category = models.CharField(max_length=30)

    class Meta:
        ordering = ["category", "title"]

    def __str__(self) -> str:
        return self.title


class RunbookVersion(models.Model):
    """One published edition; the database refuses any later change to it."""

    runbook = models.ForeignKey(Runbook, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    content_hash = models.CharField(max_length=64)
    source = models.TextField()
    #: The parsed document, as `library.stored.document_to_json` writes it.
    document = models.JSONField()
    note = models.CharField(max_length=200, blank=True)
    published_at = models.DateTimeField()
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT
    )

    class Meta:
        ordering = ["runbook", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["runbook", "number"], name="one_edition_per_number_of_a_runbook"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.runbook} v{self.number}"


class RunbookTranslation(models.Model):
    """One edition in another language: the same steps in other words; never changed."""

    version = models.ForeignKey(
        RunbookVersion, on_delete=models.PROTECT, related_name="translations"
    )
    language = models.CharField(max_length=35)
    content_hash = models.CharField(max_length=64)
    source = models.TextField()
    document = models.JSONField()
    published_at = models.DateTimeField()
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["version", "language"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "language"], name="one_translation_per_language_of_an_edition"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} in {self.language}"


class RunbookWithdrawal(models.Model):
    """One edition that new alerts are no longer given, and why; open alerts and runs keep it."""

    version = models.OneToOneField(
        RunbookVersion, on_delete=models.PROTECT, related_name="withdrawal"
    )
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=300)

    class Meta:
        ordering = ["-at"]
        constraints = [
            models.CheckConstraint(condition=~models.Q(reason=""), name="a_withdrawal_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.version} withdrawn"


class RunbookMedia(models.Model):
    """One picture that editions show, by the hash of its bytes; never changed."""

    sha256 = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=80)
    content_type = models.CharField(max_length=20)
    size = models.PositiveIntegerField()
    data = models.BinaryField()
    added_at = models.DateTimeField()
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["name", "id"]
        verbose_name_plural = "runbook media"

    def __str__(self) -> str:
        return f"{self.name} ({self.size:,} bytes)"


class RunbookDraft(models.Model):
    """One text on its way to become an edition: written, reviewed by a second person, published."""

    class State(models.TextChoices):
        WRITING = "writing"
        IN_REVIEW = "in_review", "In review"
        PUBLISHED = "published"
        DISCARDED = "discarded"

    #: Empty for a runbook that does not exist yet.
    runbook = models.ForeignKey(
        Runbook, null=True, blank=True, on_delete=models.PROTECT, related_name="drafts"
    )
    #: The edition it was begun from.
    base = models.ForeignKey(
        RunbookVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    #: The older edition whose text it restores.
    goes_back_to = models.ForeignKey(
        RunbookVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    #: Any text; what is wrong with it is shown beside it.
    source = models.TextField()
    #: Pictures added to it, by name: the hashes of their bytes. Those of `base` need no adding.
    media = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WRITING)
    #: Rises with every save: a save that did not see the last one is refused.
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    updated_at = models.DateTimeField()
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    submitted_at = models.DateTimeField(null=True, blank=True)
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    #: What the next edition's note will say.
    note = models.CharField(max_length=200, blank=True)
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    #: The edition it became.
    version = models.OneToOneField(
        RunbookVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="draft"
    )

    class Meta:
        ordering = ["-updated_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(state="published") | models.Q(version__isnull=False),
                name="a_published_draft_has_its_edition",
            ),
        ]

    def __str__(self) -> str:
        return f"Draft {self.pk} of {self.runbook or 'a new runbook'}"


class DraftVisit(models.Model):
    """One person who has a draft open to write in it, and when their page said so last."""

    draft = models.ForeignKey(RunbookDraft, on_delete=models.CASCADE, related_name="visits")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["draft", "-seen_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["draft", "user"], name="one_visit_per_person_of_a_draft"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} has {self.draft} open"


class DraftRemark(models.Model):
    """One thing said about a draft or one of its steps; only ever added."""

    class Kind(models.TextChoices):
        SAVED = "saved"
        SUBMITTED = "submitted"
        SENT_BACK = "sent_back", "Sent back"
        COMMENTED = "commented"
        PUBLISHED = "published"
        DISCARDED = "discarded"

    draft = models.ForeignKey(RunbookDraft, on_delete=models.CASCADE, related_name="remarks")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    step_id = models.CharField(max_length=60, blank=True)
    text = models.CharField(max_length=1000, blank=True)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["draft", "id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} by {self.by}"
