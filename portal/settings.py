"""Settings, from the environment. docs/settings.md lists what may be set."""

from pathlib import Path
from urllib.parse import urlsplit

import bootstrap_wrapper
from whitenoise.compress import Compressor

from portal import env as reader
from portal import postgres, tls

reader.read_env_file()

BASE_DIR = reader.BASE_DIR
VAR_DIR = reader.read_var_dir()
TRUSTED_PROXIES = reader.read_networks("TRUSTED_PROXIES")
TLS_CERT = reader.read_file_path("TLS_CERT")
TLS_KEY = reader.read_file_path("TLS_KEY")
TLS = tls.choose(
    reader.read_choice("TLS", ["auto", "acme", "internal", "off"]),
    reader.read_http_address("SITE_URL"),
    has_certificate=TLS_CERT is not None,
    has_key=TLS_KEY is not None,
    is_behind_proxy=bool(TRUSTED_PROXIES),
)
PORT = reader.read_port("PORT", tls.default_port(reader.read_http_address("SITE_URL"), TLS))
# Where plain HTTP is answered, too: with the way to https.
HTTP_PORT = reader.read_optional_port("HTTP_PORT")
if HTTP_PORT is not None and (not TLS.is_spoken or HTTP_PORT == PORT):
    raise reader.BadSetting(
        "HTTP_PORT is where the front door leads from http to https: it needs a SITE_URL with "
        "https, another number than PORT, and no proxy that speaks TLS in front."
    )
SITE_URL = reader.read_site_url(PORT)
SITE_HOST = urlsplit(SITE_URL).netloc  # as people type it: also the name of our token service
REGISTRATION = reader.read_choice("REGISTRATION", ["open", "closed"])
PORTAL_WORKERS = reader.read_positive("PORTAL_WORKERS", 2)
DEBUG = reader.read_bool("DEBUG", default=False)

SECRET_KEY = reader.env.str("SECRET_KEY", default="") or reader.generated_secret(
    VAR_DIR, "django_secret_key"
)

# Processes of one machine meet at Unix sockets: no port but PORT, and nobody else can connect.
RUN_DIR = reader.socket_dir(VAR_DIR, "run")
PORTAL_SOCKET = RUN_DIR / "portal.sock"
REGISTRY_SOCKET = RUN_DIR / "registry.sock"

# Where the portal reaches Distribution. Empty: the embedded one, at REGISTRY_SOCKET.
REGISTRY_URL = reader.read_http_address("REGISTRY_URL")
REGISTRY_BIN = reader.env.str("REGISTRY_BIN", default="")  # empty: found or fetched at the start
# Where the front door takes the registry's notifications. Empty: loopback, a free port.
REGISTRY_HOOK_ADDRESS = reader.read_host_and_port("REGISTRY_HOOK_ADDRESS")
REGISTRY_TOKEN_ISSUER = "gantry"  # noqa: S105 (a name, not a secret)
REGISTRY_HOOK_SECRET = reader.env.str(
    "REGISTRY_HOOK_SECRET", default=""
) or reader.generated_secret(VAR_DIR, "registry_hook_secret")

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False  # a redirect would turn the registry's POST into a GET, and lose the event
ALLOWED_HOSTS = [urlsplit(SITE_URL).hostname or "", "localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = [
    "portal",
    "builds",
    "repositories",
    "accounts",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.usersessions",
    "django_htmx",
    "drf_spectacular",
    "js_lib_bootstrap_icons",
    "procrastinate.contrib.django",
    "rest_framework",
]

MIDDLEWARE = [
    "portal.middleware.RequestIdMiddleware",
    "portal.middleware.ContentSecurityPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "accounts.middleware.ClientAddressMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "accounts.middleware.TooManyAttemptsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.sessions.SessionActivityMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context_processors.site",
            ],
        },
    },
]

# --- Database -----------------------------------------------------------------------------

DATABASE_URL = reader.env.str("DATABASE_URL", default="")  # empty: the embedded server
DATABASES = {
    "default": {
        **(
            reader.read_database(DATABASE_URL)
            if DATABASE_URL
            else postgres.embedded_database(VAR_DIR)
        ),
        "ENGINE": "portal.database",
        "CONN_MAX_AGE": None,
        # A portal outlives a restart of the database.
        "CONN_HEALTH_CHECKS": True,
    }
}

# Shared by all portal processes: rates counted by one must be seen by the others.
CACHE_URL = reader.env.str("CACHE_URL", default="")
CACHES = {
    "default": reader.read_cache(CACHE_URL)
    if CACHE_URL
    else {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "portal_cache"}
}

# --- The queue ----------------------------------------------------------------------------

# A comparison with the registry may take minutes: what a push waits for runs beside it.
PROCRASTINATE_WORKER_DEFAULTS = {"concurrency": 4}

# --- People -------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in [
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    ]
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/"

EMAIL_URL = reader.env.str("EMAIL_URL", default="")
SENDS_MAIL = bool(EMAIL_URL)
if SENDS_MAIL:
    try:
        globals().update(reader.env.email_url_config(EMAIL_URL))
    except KeyError as error:
        raise reader.BadSetting(
            "EMAIL_URL is not a mail server: give it like smtp://user:password@mail.example.com:587"
            " (smtp+tls:// for STARTTLS, smtp+ssl:// for TLS)."
        ) from error
else:
    EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
DEFAULT_FROM_EMAIL = (
    reader.env.str("DEFAULT_FROM_EMAIL", default="")
    or f"Gantry <gantry@{urlsplit(SITE_URL).hostname}>"
)
SERVER_EMAIL = DEFAULT_FROM_EMAIL

ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
USERSESSIONS_ADAPTER = "accounts.adapter.SessionsAdapter"
ACCOUNT_FORMS = {
    "login": "accounts.forms.LoginForm",
    "signup": "accounts.forms.SignupForm",
    "add_email": "accounts.forms.ChangeEmailForm",
    "change_password": "accounts.forms.ChangePasswordForm",
    "set_password": "accounts.forms.SetPasswordForm",
    "reset_password": "accounts.forms.ResetPasswordForm",
    "reset_password_from_key": "accounts.forms.ResetPasswordKeyForm",
}
ACCOUNT_CHANGE_EMAIL = True  # one address, replaced when the new one is confirmed
ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*" if SENDS_MAIL else "email", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "optional" if SENDS_MAIL else "none"
ACCOUNT_PRESERVE_USERNAME_CASING = False
ACCOUNT_USERNAME_MIN_LENGTH = 2
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = urlsplit(SITE_URL).scheme
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_PREVENT_ENUMERATION = False  # user names are public here: each is a namespace
# Guessing is slowed by accounts/limits.py, for the pages and /token alike.
ACCOUNT_RATE_LIMITS = {"login": None, "login_failed": None}

# --- Language -----------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]  # each as its readers call it
LOCALE_PATHS = [VAR_DIR / "locale"]  # compiled at the start: portal/translations.py
TIME_ZONE = reader.read_time_zone("TIME_ZONE")
USE_TZ = True

# --- What browsers get --------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
# Bootstrap's files lie in a plain folder beside the module of its package.
BOOTSTRAP_DIR = Path(bootstrap_wrapper.__file__ or "").parent.parent / "bootstrap"
STATICFILES_DIRS = [BASE_DIR / "static", ("bootstrap", BOOTSTRAP_DIR)]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "portal.static_files.StaticFilesStorage"},
}
# Pages name files by their hash alone; compressing each twice would double the first start.
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map")
IS_HTTPS = SITE_URL.startswith("https://")
# Where /readyz and the start look whether the front door answers.
FRONT_DOOR_URL = f"{'https' if TLS.is_spoken else 'http'}://127.0.0.1:{PORT}"
TLS_AUTHORITY = tls.Authority(urlsplit(SITE_URL).hostname or "", VAR_DIR / "secrets")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
# A year, as https://hstspreload.org asks. Not for localhost: browsers would ask every other program
# that somebody develops there for https.
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS and urlsplit(SITE_URL).hostname != "localhost" else 0
SILENCED_SYSTEM_CHECKS = [
    "security.W004",  # no HSTS: see above
    "security.W005",  # HSTS for subdomains: they may be somebody else's
    "security.W008",  # the front door leads from http to https
    "security.W021",  # nor do we decide that browsers ship with the name
]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Copies on one host name differ by port alone, and cookies don't: each gets names of its own.
SESSION_COOKIE_NAME = f"gantry_session_{PORT}"
CSRF_COOKIE_NAME = f"gantry_csrf_{PORT}"
LANGUAGE_COOKIE_NAME = "gantry_language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_SECURE = IS_HTTPS
LANGUAGE_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [SITE_URL]
X_FRAME_OPTIONS = "DENY"
# A README of 64 KiB in a form is the largest body that a page takes; see also the Caddyfile.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api_authentication.AccessTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["portal.json_parser.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "repositories.api_paging.Pages",
    "PAGE_SIZE": 25,
    "EXCEPTION_HANDLER": "rest_framework.views.exception_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Gantry",
    "DESCRIPTION": "The index's own API. Registry clients use /v2/ and /token instead.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "AccessTokenKind": "accounts.models.AccessToken.Kind",
        "ManifestKind": "repositories.models.Manifest.Kind",
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Clients ask without a token first, each time: a refusal isn't worth a line.
        "django.request": {"handlers": ["stderr"], "level": "ERROR", "propagate": False},
        # Anybody can send any Host header: the 400 is answer enough.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "django.server": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "httpx": {"level": "WARNING"},
        "procrastinate": {"level": "WARNING"},
    },
}
