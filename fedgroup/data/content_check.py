"""Every file of a data set read anew, and compared with what was read of it before."""

from typing import Any

from fedgroup.identity.data_files import files_of, says_files
from fedgroup.identity.file_contents import changed_in_place, digest_files


def content_lines(dataset: Any) -> list[str]:
    """Return lines on the content of a data set's files: its digest, and what changed unseen."""
    if not says_files(dataset):
        return []
    root, paths = files_of(dataset)
    there = [path for path in paths if path.is_file()]
    changed = changed_in_place(root, there)
    digest = digest_files(root, paths, anew=True)
    lines = [f"  content {digest}: {len(there)} files read anew"]
    if changed:
        few = ", ".join(str(path) for path in changed[:3])
        lines.append(
            f"  {len(changed)} of them hold other bytes than when they were read last, though size "
            f"and times are the same, e.g. {few}: runs made before used the old ones"
        )
    return lines
