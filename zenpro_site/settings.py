"""All settings, read from the environment. docs/operating.md lists the variables."""

import sys
from pathlib import Path

import structlog
from django.core.exceptions import ImproperlyConfigured

from zenpro_site.common import statements
from zenpro_site.common.addresses import bracketed
from zenpro_site.common.sizes import load_size
from zenpro_site.key_file import load_keys, make_keys
from zenpro_site.kubernetes_settings import load_kubernetes, load_runs
from zenpro_site.oidc_settings import load_oidc
from zenpro_site.storage_settings import load_storage

from .env import Env, as_site
from .logs import without_tokens
from .sources import load_code_roots, load_index

env = Env()
BASE_DIR = Path(__file__).resolve().parent.parent

# Where everything lives that is not code: database, keys, tenants, environments, logs.
ZENPRO_DATA = env.folder("ZENPRO_DATA", default=str(BASE_DIR / "var"))
KEY_FILE = ZENPRO_DATA / "keys.json"
DEBUG = env.bool("ZENPRO_DEBUG", default=False)

# The address people and tenants' servers reach us at.
_address = env.site("ZENPRO_URL", default="http://127.0.0.1:8000")
ZENPRO_URL = _address.geturl()
ZENPRO_URL_IS_SET = bool(env("ZENPRO_URL", default=""))  # else `zenpro up` says what it listens on
# What servers and their clients are told to call: below another host where that one is for people only.
_api = as_site("ZENPRO_API_URL", env("ZENPRO_API_URL", default=ZENPRO_URL).rstrip("/").removesuffix("/api"))
ZENPRO_API_URL = f"{_api.geturl()}/api"
ALLOWED_HOSTS = [
    bracketed(_address.hostname),
    bracketed(_api.hostname),
    *("localhost", "127.0.0.1", "[::1]"),
    *env.hosts("ZENPRO_ALLOWED_HOSTS"),
]
CSRF_TRUSTED_ORIGINS = [ZENPRO_URL, *env.sites("ZENPRO_TRUSTED_ORIGINS")]
HTTPS = _address.scheme == "https"
if HTTPS and _api.scheme != "https":
    raise ImproperlyConfigured(
        "ZENPRO_API_URL must begin with https://, as ZENPRO_URL does: all else is redirected."
    )
ZENPRO_PROXIES = env.int(
    "ZENPRO_PROXIES", default=0
)  # how many of ours stand in front and add X-Forwarded-For

# Tenants
ZENPRO_TENANT_HOST = env.host("ZENPRO_TENANT_HOST", default="127.0.0.1")
_first = env.int("ZENPRO_TENANT_PORT_FIRST", default=9100, least=1, most=65535)
ZENPRO_TENANT_PORTS = (
    _first,
    env.int("ZENPRO_TENANT_PORT_LAST", default=max(_first, 9299), least=_first, most=65535),
)
_everywhere = ZENPRO_TENANT_HOST in ("0.0.0.0", "::")  # noqa: S104 - compared only
_public = _address.hostname if _everywhere else ZENPRO_TENANT_HOST
ZENPRO_TENANT_PUBLIC_HOST = env.host("ZENPRO_TENANT_PUBLIC_HOST", default=_public)
ZENPRO_LOCAL_TENANTS = env.bool("ZENPRO_LOCAL_TENANTS", default=True)  # can tenants live on this machine?
# One folder for all, or each tenant's own
ZENPRO_LOCAL_STORES = env("ZENPRO_LOCAL_STORES", default="") and str(env.folder("ZENPRO_LOCAL_STORES", ""))
ZENPRO_KUBERNETES = load_kubernetes(env)  # None: tenants live on this machine or elsewhere
# Of the database of a tenant that moves to another home
ZENPRO_MOVE_SIZE = env.int("ZENPRO_MOVE_MB", default=20_000, least=1) * 1024**2
ZENPRO_KEEP_DELETED_DAYS = env.int("ZENPRO_KEEP_DELETED_DAYS", default=7)
ZENPRO_ZENML_VERSIONS = env.versions("ZENPRO_ZENML_VERSIONS", default=["0.98.0"])
ZENPRO_TENANT_TIMEOUT = env.float("ZENPRO_TENANT_TIMEOUT", default=8.0, least=0.1, most=60)
ZENPRO_SWEEP_RUNS = env.int("ZENPRO_SWEEP_RUNS", default=20, most=100)  # of one sweep at most
# Of one tenant at the same time, on remote stacks
ZENPRO_SUBMITTED_RUNS = env.int("ZENPRO_SUBMITTED_RUNS", default=20, least=1)
ZENPRO_RUNS_IN_CLUSTER = load_runs(
    env, ZENPRO_KUBERNETES
)  # else runs of templates are processes of this machine
# 0: as many as there are cores
ZENPRO_PARALLEL_RUNS = env.int("ZENPRO_PARALLEL_RUNS", default=20 if ZENPRO_RUNS_IN_CLUSTER else 0)
# How long the cluster may take until a run's own container begins
ZENPRO_RUN_START_TIME = env.int("ZENPRO_RUN_START_MINUTES", default=30, least=1, most=50) * 60
# Walls around tenants: "" for the best this machine has, "none" to go without (docs/security.md)
ZENPRO_ISOLATION = env("ZENPRO_ISOLATION", default="").lower()
ZENPRO_RUN_PROCESSES = env.int("ZENPRO_RUN_PROCESSES", default=2048)  # of one run
ZENPRO_RUN_FILE_SIZE = env.int("ZENPRO_RUN_FILE_MB", default=20_000) * 1024**2
ZENPRO_RUN_OPEN_FILES = env.int("ZENPRO_RUN_OPEN_FILES", default=4096)
ZENPRO_RUN_MEMORY = env.int("ZENPRO_RUN_MEMORY_MB", default=0) * 1024**2  # 0: as much as the machine has
ZENPRO_RUN_CPUS = env.float("ZENPRO_RUN_CPUS", default=0.0, least=0, most=4096)  # 0: all there are
ZENPRO_RUN_PORTS = env.ports(
    "ZENPRO_RUN_PORTS"
)  # where programs of runs may listen, beside what the system chooses
ZENPRO_KEPT_DAYS = env.int(
    "ZENPRO_KEPT_DAYS", default=7
)  # what a failed run wrote can be downloaded; 0: not at all
ZENPRO_TENANT_DISK = load_size(env, "ZENPRO_TENANT_DISK", "20G")  # bytes on disk of one tenant; 0: no limit
# Hosts inside this network that webhooks may go to, also without TLS
ZENPRO_WEBHOOK_HOSTS = env.host_names("ZENPRO_WEBHOOK_HOSTS")
ADMIN_URL = env.path_prefix("ZENPRO_ADMIN_URL", default="admin/")
ZENPRO_CODE_ROOTS = load_code_roots(env)  # where templates may take code from
ZENPRO_SHIPPED_CODE = BASE_DIR / "examples"  # code that came with ZenPro itself
ZENPRO_PACKAGE_INDEX = load_index(env)
ZENPRO_OPEN_SIGNUP = env.bool("ZENPRO_OPEN_SIGNUP", default=False)
ZENPRO_ADMIN_EMAIL = env.address("ZENPRO_ADMIN_EMAIL", default="admin@example.com")

# What organizations ask about the places where their roles are given: orgs.access.places.
ZENPRO_PLACES = "tenants.access.tenant_places.TenantPlaces"

INSTALLED_APPS = [
    "zenpro_site",
    "orgs.users",
    "orgs",
    "orgs.audit",
    "orgs.teams",
    "orgs.roles",
    "orgs.domains",
    "orgs.mails",
    "orgs.invitations",
    "tenants",
    "tenants.hosting.elsewhere",
    "tenants.credentials",
    "tenants.usage",
    "tenants.run_templates",
    "tenants.webhooks",
    "zenpro_site.admin_config.ZenProAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "guardian",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "allauth.usersessions",
    "django_htmx",
    "template_partials",
    "django_filters",
    "django_structlog",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "zenpro_site.middleware.discreet",
    "csp.middleware.CSPMiddleware",
    "zenpro_site.middleware.readable",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "zenpro_site.middleware.origin",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "zenpro_site.middleware.fragments",
    "allauth.account.middleware.AccountMiddleware",
    "zenpro_site.middleware.noted",
    "zenpro_site.middleware.explained",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "zenpro_site.urls"
WSGI_APPLICATION = "zenpro_site.wsgi.application"
LOADERS = ["zenpro_site.common.folding.Loader", "django.template.loaders.app_directories.Loader"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            # A name with # is a partial; a template is read and folded once; folding is for our own folder alone.
            "loaders": [
                ("template_partials.loader.Loader", [("django.template.loaders.cached.Loader", LOADERS)])
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "zenpro_site.shell.shell",
            ],
            "builtins": [
                "django.templatetags.static",
                "template_partials.templatetags.partials",
                "django_htmx.templatetags.django_htmx",
                "zenpro_site.common.ui",
            ],
        },
    }
]

# Database
DATABASES = {"default": env.database("DATABASE_URL", ZENPRO_DATA / "zenpro.sqlite3")}
ZENPRO_STATEMENT_TIMEOUT = env.float("ZENPRO_STATEMENT_TIMEOUT", default=15.0)  # of the web; 0: no end
DATABASES["default"]["CONN_MAX_AGE"] = None
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
else:
    DATABASES["default"]["ENGINE"] = statements.ENGINE
    DATABASES["default"]["OPTIONS"] = statements.options(DATABASES["default"].get("OPTIONS", {}))
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    # Shared by all processes, so that sign-in limits hold for the whole installation.
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "zenpro_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
    # Per process, for what is cheap to make again.
    "local": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "local"},
}

# People
AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = [
    "allauth.account.auth_backends.AuthenticationBackend",
    "guardian.backends.ObjectPermissionBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
ANONYMOUS_USER_NAME = None
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "orgs.users.adapter.AccountAdapter"
ZENPRO_OIDC = load_oidc(env)
SOCIALACCOUNT_PROVIDERS = ZENPRO_OIDC.allauth if ZENPRO_OIDC else {}
SOCIALACCOUNT_ADAPTER = "orgs.users.social.SocialAdapter"
# A link, not a form: form-action 'self' would stop the way from a form to the provider. It signs in no one but whoever follows it.
SOCIALACCOUNT_LOGIN_ON_GET = True
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = "username"
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if ZENPRO_OPEN_SIGNUP else "none"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_RATE_LIMITS = {"reset_password": "20/m/ip,5/h/key"}  # the rest as allauth has it
ACCOUNT_FORMS = {"reset_password": "orgs.users.forms.ResetForm"}
ACCOUNT_CHANGE_EMAIL = True
# Whoever finds a browser signed in must not take the account over by another address.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_METHODS = ["password", "mfa"]  # no codes by mail: a mailbox must not be enough
MFA_ADAPTER = "orgs.users.two_factor.Adapter"
MFA_FORMS = {
    "add_webauthn": "orgs.users.forms.AddPasskeyForm",
    "edit_webauthn": "orgs.users.forms.EditPasskeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
# With passwords switched off the company decides at each sign-in who may still come in.
MFA_PASSKEY_LOGIN_ENABLED = not (ZENPRO_OIDC and ZENPRO_OIDC.only)
MFA_TOTP_TOLERANCE = 1  # clocks of telephones are up to half a minute off
# Else no one with two-factor could change their address. Accounts are made from confirmed addresses.
MFA_ALLOW_UNVERIFIED_EMAIL = True
SESSION_COOKIE_AGE = 14 * 24 * 3600

# Mail: none unless EMAIL_URL is set, e.g. smtp+tls://user:password@mail.example.org:587
EMAIL_CONFIG = env.mail_server("EMAIL_URL")
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 10
MAIL_IS_SET_UP = not EMAIL_CONFIG["EMAIL_BACKEND"].endswith("console.EmailBackend")
if not MAIL_IS_SET_UP:
    EMAIL_BACKEND = "zenpro_site.unsent.Backend"
if ZENPRO_OPEN_SIGNUP and not MAIL_IS_SET_UP:
    raise ImproperlyConfigured(
        "ZENPRO_OPEN_SIGNUP needs EMAIL_URL: people who sign up confirm their address by email."
    )
_mail_domain = "localhost" if ":" in _address.hostname else _address.hostname
DEFAULT_FROM_EMAIL = env.mailbox("ZENPRO_MAIL_FROM", default=f"ZenPro <zenpro@{_mail_domain}>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# Files
STATIC_URL = "static/"
STATIC_ROOT = env.folder("ZENPRO_STATIC", default=str(ZENPRO_DATA / "staticfiles"))
FILE_UPLOAD_PERMISSIONS = 0o600  # whitenoise serves them as we; Django would open them to everyone
FILE_UPLOAD_HANDLERS = [
    "zenpro_site.common.uploads.BoundedUpload",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "zenpro_site.static_files.SlimStaticFilesStorage"},
    **load_storage(env),  # code and outputs, for all machines; without it they are in ZENPRO_DATA alone
}

# Safety
SELF, NONE = "'self'", "'none'"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "object-src": [NONE],
    }
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
    SECURE_HSTS_SECONDS = env.int("ZENPRO_HSTS_SECONDS", default=31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True

LANGUAGE_CODE = "en"
TIME_ZONE = env.time_zone("ZENPRO_TIME_ZONE", default="UTC")
USE_TZ = True
USE_I18N = False

# Logs: one JSON object a line, each with the request's id
_level = env.log_level("ZENPRO_LOG_LEVEL", default="WARNING")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                without_tokens,
                structlog.processors.JSONRenderer(),
            ],
            "foreign_pre_chain": [
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
            ],
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["console"], "level": _level},
    "loggers": {
        "zenpro": {"level": "INFO"},
        "django_structlog": {"level": _level},
        # Its own handler would write addresses as they are.
        "gunicorn.error": {"level": "INFO", "handlers": ["console"], "propagate": False},
    },
}
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.filter_by_level,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)

# Keys come last: nothing is written before every other setting has been looked at.
if "up" in sys.argv[1:2]:
    make_keys(KEY_FILE)
SECRET_KEY, ZENPRO_SECRET_KEYS = load_keys(env, KEY_FILE, only_looking="doctor" in sys.argv[1:2])
