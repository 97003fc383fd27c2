"""What is in a registry beside images, named as people name it. Pure."""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

BUILD_CACHE = "application/vnd.buildkit.cacheconfig.v0"
COSIGN_SIGNATURE = "application/vnd.dev.cosign.simplesigning.v1+json"
IN_TOTO = "application/vnd.in-toto+json"

NAMES = {
    BUILD_CACHE: _("Build cache"),
    COSIGN_SIGNATURE: _("Signature (cosign)"),
    "application/vnd.dev.cosign.artifact.sig.v1+json": _("Signature (cosign)"),
    "application/vnd.dev.sigstore.bundle.v0.3+json": _("Signature (Sigstore)"),
    "application/vnd.cncf.notary.signature": _("Signature (Notation)"),
    IN_TOTO: _("Attestation"),
    "application/vnd.docker.attestation.manifest.v1+json": _("Attestation"),
    "application/vnd.dsse.envelope.v1+json": _("Attestation"),
    "application/spdx+json": _("Bill of materials (SPDX)"),
    "text/spdx+json": _("Bill of materials (SPDX)"),
    "application/vnd.cyclonedx+json": _("Bill of materials (CycloneDX)"),
    "application/vnd.cncf.helm.config.v1+json": _("Helm chart"),
    "application/vnd.wasm.config.v0+json": _("WebAssembly module"),
    "application/vnd.cncf.openpolicyagent.config.v1+json": _("Policy (Open Policy Agent)"),
}
# What an attestation says, by the beginning of its predicate type.
PREDICATES = {
    "https://slsa.dev/provenance/": _("provenance"),
    "https://spdx.dev/Document": _("bill of materials (SPDX)"),
    "https://cyclonedx.org/bom": _("bill of materials (CycloneDX)"),
    "https://openvex.dev/": _("known vulnerabilities (VEX)"),
    "https://cosign.sigstore.dev/attestation/vuln/": _("scan for vulnerabilities"),
}
# How cosign names the tags that it keeps attachments under.
TAG_SUFFIXES = {
    ".sig": COSIGN_SIGNATURE,
    ".att": IN_TOTO,
    ".sbom": "application/spdx+json",
}


def name_of(artifact_type: str) -> str:
    """``Helm chart``; just ``Artifact`` for types that nobody has told us of."""
    return str(NAMES.get(artifact_type, gettext("Artifact")))


def predicate_name(predicate_type: str) -> str:
    """``provenance``; the type itself if it is none that we know."""
    for beginning, name in PREDICATES.items():
        if predicate_type.startswith(beginning):
            return str(name)
    return predicate_type
