"""What to paste so that a client logs in with an access token. Pure.

Every file is shown as the entry that goes beside those that are there already: a whole file,
pasted, would delete the others.
"""

import base64
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Pasted:
    """Lines and entries for one token; the names say for which client."""

    docker: str
    podman: str
    docker_config: str
    containers_auth: str
    kubernetes_secret: str
    kubernetes_pod: str
    github_actions: str
    gitlab_ci: str
    dockercfg: str


def pasted_for(host: str, username: str, email: str, secret: str, *, is_https: bool) -> Pasted:
    """``host`` is the index as people type it, with its port where it has one."""
    auth = base64.b64encode(f"{username}:{secret}".encode()).decode()
    insecure = "" if is_https else " --tls-verify=false"
    # Clients up to 1.6 refuse an entry without an address, and send it nowhere.
    email = email or f"{username}@{host.partition(':')[0]}"
    return Pasted(
        docker=f"echo {secret} | docker login {host} -u {username} --password-stdin",
        podman=f"echo {secret} | podman login{insecure} {host} -u {username} --password-stdin",
        docker_config=_entry(host, auth=auth),
        containers_auth=_entry(host, auth=auth),
        kubernetes_secret=(
            "kubectl create secret docker-registry gantry \\\n"
            f"  --docker-server={host} --docker-username={username} \\\n"
            f"  --docker-password={secret}"
        ),
        kubernetes_pod="imagePullSecrets:\n  - name: gantry",
        github_actions=(
            "- uses: docker/login-action@v3\n"
            "  with:\n"
            f"    registry: {host}\n"
            f"    username: {username}\n"
            "    password: ${{ secrets.GANTRY_TOKEN }}"
        ),
        gitlab_ci=(
            "before_script:\n"
            f'  - echo "$GANTRY_TOKEN" | docker login {host} -u {username} --password-stdin'
        ),
        dockercfg=_entry(host, auth=auth, email=email),
    )


def _entry(host: str, **values: str) -> str:
    """One member of a JSON object, without the braces around it."""
    return f"{json.dumps(host)}: {json.dumps(values, indent=2)}"
