"""Static files under names with their hash, compressed, to be kept for ever by browsers."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    # A name that collectstatic hasn't seen yet is served plain instead of breaking the page.
    manifest_strict = False
