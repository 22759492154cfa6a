"""MkDocs hook: links from pages to files of the repository outside docs/.

On GitHub such a link is relative (`../../imax.yaml`). On the site it becomes the address of the file in the repository. A file
that does not exist is a warning, which `mkdocs build --strict` turns into a failure.
"""

import logging
import posixpath
import re
from pathlib import Path

log = logging.getLogger("mkdocs.plugins")

LINK = re.compile(r"\]\((?P<path>(?:\.\./)+[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def on_page_markdown(markdown, page, config, **_):
    root = Path(config.config_file_path).parent
    folder = posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def replace(link):
        path = posixpath.normpath(posixpath.join(folder, link["path"]))
        if path.startswith("docs/"):
            return link[0]
        if not (root / path).exists():
            log.warning("%s: no such file in the repository: %s", page.file.src_uri, link["path"])
        kind = "tree" if (root / path).is_dir() else "blob"
        return f"]({config.repo_url.rstrip('/')}/{kind}/main/{path}{link['anchor'] or ''})"

    return LINK.sub(replace, markdown)
