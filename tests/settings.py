"""The site's settings, for tests: a database of their own in a new folder, and nothing slow."""

import os
import tempfile

# Before the settings are read. Tests don't look at the developer's .env or variables.
for name in [
    *["SITE_URL", "EMAIL_URL", "REGISTRATION", "CACHE_URL", "TRUSTED_PROXIES", "DEBUG"],
    *["TLS", "TLS_CERT", "TLS_KEY", "HTTP_PORT"],
]:
    os.environ.pop(name, None)
os.environ["ENV_FILE"] = os.devnull
os.environ["PORT"] = "8080"
# Made by the first process; the workers of xdist inherit it. See conftest.py for its end.
if "GANTRY_TEST_VAR_DIR" not in os.environ:
    os.environ["GANTRY_TEST_VAR_DIR"] = tempfile.mkdtemp(prefix="gantry-tests-")
os.environ["VAR_DIR"] = os.environ["GANTRY_TEST_VAR_DIR"]

from portal.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405  # whitenoise warns where there is none
