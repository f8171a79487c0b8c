"""The demo's images: archives under build/, made once by images/ from Debian packages."""
import os
import subprocess

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = f"{REPOSITORY}/build/images"


def archives():
    """Paths of what is built already."""
    if not os.path.isdir(FOLDER):
        return []
    return sorted(f"{FOLDER}/{name}" for name in os.listdir(FOLDER) if name.endswith(".tar"))


def build(say):
    """Build what is missing; returns the archives. Raises SystemExit with what to do."""
    done = subprocess.run([f"{REPOSITORY}/images/build-demo"])
    if done.returncode:
        raise SystemExit("demo: the images could not be built (messages above); run images/build-demo alone to repeat it")
    return archives()
