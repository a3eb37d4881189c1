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

# pip_install PYTHON WORD...: pip, which takes what the lock files name and nothing else.
pip_install() {
  local python=$1
  shift
  "$python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation "$@" \
    2> >(grep -v '^WARNING: Location' >&2) || die "pip could not install $* (it says why above); is this computer online?"
}

# locked SET [NAME...]: the lock file of a set (requirements/SET.txt); of it only these packages.
locked() {
  local file=requirements/$1.txt
  shift
  [ -f "$file" ] || die "there is no lock file $root/$file; the clone is not whole"
  if [ $# -eq 0 ]; then cat "$file"; return; fi
  awk -v names=" $* " '/^[^ ]/ { split($0, part, "=="); wanted = index(names, " " part[1] " ") } wanted' "$file"
}

# not_from_apt: leaves out of a lock file what apt's camera library was built for.
not_from_apt() { awk '/^[^ ]/ { wanted = !/^(numpy|pillow)==/ } wanted'; }

# install_into FOLDER PYTHON WORD...: a virtual environment that holds these sets of packages
# (requirements/SET.txt), and this project's own that lie in ./FOLDER.
install_into() {
  local folder=$1 python=$2 stamp word site=() own=() list=$1/requirements.txt filter=cat
  shift 2
  # On a Pi the camera library comes from apt, which only such an environment sees.
  if dpkg-query -W python3-picamera2 >/dev/null 2>&1; then site=(--system-site-packages) filter=not_from_apt; fi
  # A moved environment must be made anew as well: its programs name their folder.
  stamp=$(cat pyproject.toml training/pyproject.toml requirements/*.txt <(printf '%s\n' "$root" "$@") | sha256sum | cut -d' ' -f1)
  if [ -x "$folder/bin/python" ] && grep -qsx "$stamp" "$folder/installed"; then return 0; fi
  say "Installing Python packages into $folder (once) ..."
  [ -x "$folder/bin/pip" ] || "$python" -m venv "${site[@]}" "$folder"
  : >"$list"
  for word in "$@"; do
    case $word in .*) own+=(-e "$word") ;; *) locked "$word" | $filter >>"$list" ;; esac
  done
  # First what packages are built with that come as source.
  pip_install "$folder/bin/python" --require-hashes -r requirements/build.txt
  pip_install "$folder/bin/python" --require-hashes -r "$list"
  [ ${#own[@]} -eq 0 ] || pip_install "$folder/bin/python" "${own[@]}"
  echo "$stamp" >>"$folder/installed"
}

# install_development: .venv with both packages and the tools of the gate.
install_development() {
  local python
  apt_install python3-venv python3-dev gcc pkg-config libsystemd-dev shellcheck
  python=$(own_python)
  install_into .venv "$python" development . ./training
}

# install_picamera2 PYTHON: for that Python, the oldest picamera2 this program works with and the
# newest it was tried with, each in a folder under .venv-picamera2 that tests put on their path.
# Without dependencies, which need a compiler and are not used: numpy and Pillow are there already.
install_picamera2() {
  local python=$1 age folder minor stamp
  minor=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  for age in newest oldest; do
    folder=.venv-picamera2/$age-$minor
    stamp=$(sha256sum <"requirements/picamera2-$age.txt")
    if grep -qsxF "$stamp" "$folder/installed"; then continue; fi
    rm -rf "$folder"
    pip_install "$python" --require-hashes --target "$folder" -r "requirements/picamera2-$age.txt"
    echo "$stamp" >"$folder/installed"
  done
}
