# Sourced by the other scripts: what they all need to have in place.
# shellcheck shell=bash
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@" # for those who type `sh scripts/demo`
set -euo pipefail
# shellcheck disable=SC2034 # for the scripts that source this one
started_in=$PWD
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '%s\n' "$*" >&2; }

die() {
  say "$(basename "$0"): error: $*"
  exit 1
}

[ -w . ] || die "$root cannot be written, and what is installed goes there; clone into a folder of your own"

# apt_install PACKAGE...: installs those that are missing, and says so.
apt_install() {
  local package missing=() sudo=()
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "this needs the packages ${missing[*]}, and there is no apt-get here to install them"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "please install as root: apt install ${missing[*]}"
    sudo=(sudo)
  fi
  say "Installing ${missing[*]} ..."
  "${sudo[@]}" apt-get update -qq >&2
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    die "apt could not install ${missing[*]} (it says why above); is this computer online?"
}

# find_python NEWEST: the newest Python from 3.11 to 3.NEWEST that works here.
find_python() {
  local minor
  for minor in $(seq "$1" -1 11); do
    if "python3.$minor" -c 'import venv, ensurepip' 2>/dev/null; then
      command -v "python3.$minor"
      return
    fi
  done
  if python3 -c "import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $1))" 2>/dev/null; then
    command -v python3
    return
  fi
  return 1
}

# own_python: the newest Python this program runs on; ends the script where there is none.
own_python() {
  find_python 13 || die "no Python 3.11, 3.12 or 3.13 here; apt install python3 python3-venv"
}

# install_into FOLDER PYTHON REQUIREMENT...: a virtual environment that holds the requirements.
install_into() {
  local folder=$1 python=$2 stamp site=()
  shift 2
  # On a Pi the camera library comes from apt, which only such an environment sees.
  if dpkg-query -W python3-picamera2 >/dev/null 2>&1; then site=(--system-site-packages); fi
  # A moved environment must be made anew as well: its programs name their folder.
  stamp=$(cat pyproject.toml training/pyproject.toml constraints-dev.txt <(printf '%s\n' "$root" "$@") | sha256sum | cut -d' ' -f1)
  if [ -x "$folder/bin/python" ] && grep -qsx "$stamp" "$folder/installed"; then return 0; fi
  say "Installing Python packages into $folder (once) ..."
  [ -x "$folder/bin/pip" ] || "$python" -m venv "${site[@]}" "$folder"
  "$folder/bin/python" -m pip install -q --disable-pip-version-check "$@" 2> >(grep -v '^WARNING: Location' >&2) ||
    die "pip could not install $* (it says why above); is this computer online?"
  echo "$stamp" >>"$folder/installed"
}

# install_development: .venv with both packages and the pinned tools of the gate.
install_development() {
  local python
  apt_install python3-venv python3-dev gcc pkg-config libsystemd-dev shellcheck
  python=$(own_python)
  install_into .venv "$python" -c constraints-dev.txt -e '.[dev,video]' -e ./training
}

# install_picamera2 PYTHON: for that Python, the oldest picamera2 this program works with and the
# newest it was tried with, each in a folder under .venv-picamera2 that tests put on their path.
# Without dependencies, which need a compiler and are not used: numpy and Pillow are there already.
install_picamera2() {
  local python=$1 folder minor
  minor=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  for folder in newest-$minor oldest-$minor; do
    local wanted=(picamera2==0.3.38 videodev2==0.0.4)
    case $folder in oldest*) wanted=(picamera2==0.3.21 videodev2==0.0.4 v4l2-python3==0.3.5) ;; esac
    wanted+=(piexif==1.1.3 simplejpeg==1.9.0)
    if grep -qsx "${wanted[*]}" ".venv-picamera2/$folder/installed"; then continue; fi
    rm -rf ".venv-picamera2/$folder"
    "$python" -m pip install -q --disable-pip-version-check --no-deps \
      --target ".venv-picamera2/$folder" "${wanted[@]}" 2> >(grep -v '^WARNING: Location' >&2) ||
      die "pip could not install ${wanted[*]} (it says why above); is this computer online?"
    echo "${wanted[*]}" >".venv-picamera2/$folder/installed"
  done
}
