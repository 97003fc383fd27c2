"""A person with a browser that has no JavaScript: reads pages, fills in forms."""

import re
from typing import Self

import httpx


class Visitor:
    """A browser's session on a whole index."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, follow_redirects=True, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def sign_in(self, username: str) -> None:
        self.post("/account/login/", login=username, password=password_of(username))

    def see(self, path: str) -> str:
        """The page's HTML. Fails unless it is there."""
        response = self.http.get(path)
        assert response.status_code == 200, (path, response.status_code, response.text[:500])
        return response.text

    def post(self, path: str, **fields: str) -> str:
        """Fill in the form on the page ``path`` and send it; the page that comes then."""
        form = self.see(path)
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert found, f"no form on {path}"
        data = {"csrfmiddlewaretoken": found[1], **fields}
        response = self.http.post(path, data=data, headers={"Referer": str(self.http.base_url)})
        assert response.status_code == 200, (path, response.status_code, response.text[:2000])
        return response.text


def password_of(username: str) -> str:
    return f"{username}-correct-horse"
