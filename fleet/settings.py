"""All settings, in one file; each comes from an environment variable or says why not.

`docs/settings.md` lists them; a test compares the two.
"""

from __future__ import annotations

from pathlib import Path

from csp.constants import NONE, SELF

from fleet.env import (
    broker_from_url,
    database_from_url,
    env_bool,
    env_choice,
    env_float,
    env_int,
    env_list,
    env_text,
)

BASE_DIR = Path(__file__).resolve().parent.parent

# --- the process ---------------------------------------------------------------------------
DEBUG = env_bool("HEARTHWATCH_DEBUG", default=False)
SECRET_KEY = env_text("HEARTHWATCH_SECRET_KEY")
ALLOWED_HOSTS = env_list("HEARTHWATCH_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env_list("HEARTHWATCH_TRUSTED_ORIGINS")
#: Where the demo and the embedded services keep their files.
HEARTHWATCH_HOME = Path(env_text("HEARTHWATCH_HOME", str(BASE_DIR / ".hearthwatch")))
#: Shows the demo logins and the demo pager. Never in production.
HEARTHWATCH_DEMO = env_bool("HEARTHWATCH_DEMO", default=False)
#: How people reach this server from a page they received; pages carry links.
HEARTHWATCH_BASE_URL = env_text("HEARTHWATCH_BASE_URL", "http://127.0.0.1:8000").rstrip("/")

# --- services ------------------------------------------------------------------------------
DATABASE_URL = env_text("DATABASE_URL", "postgresql:///hearthwatch")
REDIS_URL = env_text("REDIS_URL", "redis://127.0.0.1:6379/0")
CELERY_BROKER_URL, _REDIS_FOR_CHANNELS = broker_from_url(REDIS_URL)
DATABASES = {
    "default": {**database_from_url(DATABASE_URL), "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # Hints only: a browser that is 1,000 behind fetches the page anew anyway.
        # A read waits 5 s for news by itself; redis-py's own limit is 5 s too and would win.
        "CONFIG": {
            "hosts": [{"address": _REDIS_FOR_CHANNELS, "socket_timeout": 15}],
            "capacity": 1000,
            "expiry": 20,
        },
    }
}

# --- ingest --------------------------------------------------------------------------------
HEARTHWATCH_INGEST_CREDIT = env_int("HEARTHWATCH_INGEST_CREDIT", default=32, least=1, most=1024)
HEARTHWATCH_INGEST_QUEUE_MB = env_int("HEARTHWATCH_INGEST_QUEUE_MB", default=8, least=1, most=1024)
HEARTHWATCH_GROUP_COMMIT_MILLISECONDS = env_int(
    "HEARTHWATCH_GROUP_COMMIT_MILLISECONDS", default=10, least=0, most=1000
)
HEARTHWATCH_RETENTION_DAYS = env_int("HEARTHWATCH_RETENTION_DAYS", default=30, least=2, most=3650)

# --- detection and paging ------------------------------------------------------------------
#: Windows that end longer ago than this are stored and shown, never paged.
HEARTHWATCH_PAGING_HORIZON_SECONDS = env_int(
    "HEARTHWATCH_PAGING_HORIZON_SECONDS", default=900, least=60, most=86_400
)
#: Multiplies how long a limit must be passed; the demo uses less than 1.
HEARTHWATCH_HOLD_SCALE = env_float("HEARTHWATCH_HOLD_SCALE", default=1.0, least=0.01, most=10.0)
HEARTHWATCH_SWEEP_SECONDS = env_int("HEARTHWATCH_SWEEP_SECONDS", default=5, least=1, most=60)
HEARTHWATCH_PAGE_TIMEOUT_SECONDS = env_int(
    "HEARTHWATCH_PAGE_TIMEOUT_SECONDS", default=8, least=1, most=60
)
#: Hosts and networks that pages may be sent to; `*` allows any public address.
HEARTHWATCH_PAGE_HOSTS = env_list("HEARTHWATCH_PAGE_HOSTS", "*")
#: Single pages a contact gets in ten minutes, and the shortest time between two bundles after.
HEARTHWATCH_PAGES_PER_CONTACT = env_int(
    "HEARTHWATCH_PAGES_PER_CONTACT", default=5, least=1, most=1000
)
HEARTHWATCH_BUNDLE_SECONDS = env_int("HEARTHWATCH_BUNDLE_SECONDS", default=60, least=1, most=3600)
#: How long a run may wait for people before somebody is told, and told again.
HEARTHWATCH_RUN_WAIT_MINUTES = env_int(
    "HEARTHWATCH_RUN_WAIT_MINUTES", default=1440, least=15, most=10_080
)
HEARTHWATCH_AUDIT_SECONDS = env_int("HEARTHWATCH_AUDIT_SECONDS", default=15, least=1, most=60)
HEARTHWATCH_DEADMAN_URL = env_text("HEARTHWATCH_DEADMAN_URL")
HEARTHWATCH_DEADMAN_SECONDS = env_int("HEARTHWATCH_DEADMAN_SECONDS", default=60, least=5, most=3600)

# --- ways out ------------------------------------------------------------------------------
HEARTHWATCH_SMTP_HOST = env_text("HEARTHWATCH_SMTP_HOST")
HEARTHWATCH_SMTP_PORT = env_int("HEARTHWATCH_SMTP_PORT", default=587, least=1, most=65_535)
_TLS = ("starttls", "tls", "none")
HEARTHWATCH_SMTP_TLS = env_choice("HEARTHWATCH_SMTP_TLS", "starttls", choices=_TLS)
HEARTHWATCH_SMTP_USER = env_text("HEARTHWATCH_SMTP_USER")
HEARTHWATCH_SMTP_PASSWORD = env_text("HEARTHWATCH_SMTP_PASSWORD")
HEARTHWATCH_SMTP_FROM = env_text("HEARTHWATCH_SMTP_FROM")
HEARTHWATCH_VAPID_PRIVATE_KEY = env_text("HEARTHWATCH_VAPID_PRIVATE_KEY")
HEARTHWATCH_VAPID_SUBJECT = env_text("HEARTHWATCH_VAPID_SUBJECT")

# --- Django --------------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "channels",
    "csp",
    "django_htmx",
    "fleet",
    "telemetry",
    "runbooks",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "fleet.noc.without_nul.WithoutNul",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Default deny: a view that anybody may see says so with @login_not_required.
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "fleet.urls"
ASGI_APPLICATION = "fleet.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "fleet.noc.shell.shell",
            ],
            "libraries": {"noc": "fleet.noc.tags"},
            "builtins": ["fleet.noc.tags"],
        },
    }
]
LOGIN_URL = "noc:login"
LOGIN_REDIRECT_URL = "noc:fleet"
LOGOUT_REDIRECT_URL = "noc:login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = env_text("HEARTHWATCH_STATIC_ROOT", str(HEARTHWATCH_HOME / "static"))
#: Serve static files from where they are written, unhashed; for development and tests.
WHITENOISE_USE_FINDERS = env_bool("HEARTHWATCH_STATIC_FROM_SOURCE", default=False)
STORAGES = {
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if WHITENOISE_USE_FINDERS
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}

# --- security ------------------------------------------------------------------------------
_IS_HTTPS = HEARTHWATCH_BASE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _IS_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = 31_536_000 if _IS_HTTPS else 0
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _IS_HTTPS else None
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        # plotly.js injects one empty <style> and fills it through the CSSOM: the hash of
        # nothing lets it, and nothing else, through.
        "style-src": [SELF, "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "worker-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- jobs ----------------------------------------------------------------------------------
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False
# A hint that cannot be sent at once is dropped: the sweep finds what it meant.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 1,
    "socket_timeout": 10,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_TIME_LIMIT = 120
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TIMEZONE = "UTC"
# The beat finds what a lost hint missed; a tick that is late is worth nothing, so it expires.
CELERY_BEAT_SCHEDULE = {
    name: {"task": name, "schedule": seconds, "options": {"expires": seconds}}
    for seconds, names in {
        5.0: (
            *("telemetry.evaluate_due_sites", "runbooks.check_heartbeats"),
            *("runbooks.expire_external", "runbooks.take_in_findings"),
            *("runbooks.apply_suppressions", "runbooks.take_in_replies"),
            *("runbooks.settle_alerts", "runbooks.escalate_due", "runbooks.deliver_pages"),
            *("runbooks.follow_receipts", "runbooks.tell_authors", "runbooks.verify_steps"),
        ),
        15.0: ("runbooks.audit_promises",),
        3600.0: ("telemetry.maintain_partitions",),
    }.items()
    for name in names
}

# --- logs ----------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"()": "fleet.logs.EventFormatter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env_text("HEARTHWATCH_LOG_LEVEL", "INFO")},
    "loggers": {
        # uvicorn's own list of requests would show the links that acknowledge.
        **{name: {"level": "WARNING"} for name in ("django", "httpx", "celery", "uvicorn.access")},
        **{name: {"level": "ERROR"} for name in ("kombu", "django.request")},
    },
}
