#!/usr/bin/env python3
"""Creates a container in Azurite, whose account and key are those that everybody knows: make_container.py PORT NAME"""
import base64, datetime, hashlib, hmac, http.client, sys
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
port, name = sys.argv[1:3]
path = f"/{ACCOUNT}/{name}"
date = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
headers = {"x-ms-date": date, "x-ms-version": "2021-08-06"}
canonical = "".join(f"{k}:{v}\n" for k, v in sorted(headers.items()))
text = "PUT\n" + "\n" * 11 + canonical + f"/{ACCOUNT}{path}\nrestype:container"
signature = base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()).decode()
c = http.client.HTTPConnection("127.0.0.1", int(port))
c.request("PUT", path + "?restype=container", headers=headers | {"Authorization": f"SharedKey {ACCOUNT}:{signature}", "Content-Length": "0"})
answer = c.getresponse()
print(answer.status, answer.read().decode()[:300])
