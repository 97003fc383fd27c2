def test_smoke(client, alices_app, alice):
    for url in ["/", "/r/alice/app", "/r/alice/app/tags", "/u/alice", "/search?q=app", "/u/alice/picture.svg", "/favicon.ico","/robots.txt"]:
        assert client.get(url).status_code == 200, url
    client.force_login(alice)
    for url in ["/", "/r/alice/app", "/r/alice/app/tags", "/u/alice", "/search?q=app", "/repositories/new","/r/alice/app/settings"]:
        assert client.get(url).status_code == 200, url
    assert client.get("/r/x/y").status_code==404
    assert client.get("/staff").status_code==403
