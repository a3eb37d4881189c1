#!/usr/bin/env bash
# Makes a service of this clone, on a Raspberry Pi or another Debian: packages from apt, the
# program in an environment of its own under /opt/pi-classifier, user, units, configuration.
#   sudo systemd/install.sh               installs, or brings up to date what is installed
#   sudo systemd/install.sh --uninstall   takes it away; keeps configuration, photos, models
#   sudo systemd/install.sh --purge       takes away those, too
# The Debian package does the same and is better where you can have it (docs/device/installing.md).
set -euo pipefail
umask 022
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
prefix=/opt/pi-classifier
unit=pi-classifier.service

say() { printf '%s\n' "$*" >&2; }

die() {
  say "install.sh: error: $*"
  exit 1
}

usage="usage: sudo systemd/install.sh [--uninstall | --purge]"
case "$#:${1:-}" in
  0:) action=install ;;
  1:--uninstall) action=uninstall ;;
  1:--purge) action=purge ;;
  1:--help | 1:-h) say "$usage" && exit 0 ;;
  *) die "'$*' is not understood; $usage" ;;
esac

[ "$(id -u)" -eq 0 ] || die "this installs for the whole system and must run as root: sudo $0${1:+ $1}"
command -v systemctl >/dev/null || die "there is no systemd here; without it run the program by hand: scripts/demo"
if dpkg-query -W -f='${Status}' pi-classifier 2>/dev/null | grep -q ' installed'; then
  die "the Debian package pi-classifier is installed and would be in the way; remove it first: sudo apt remove pi-classifier"
fi

running() { [ -d /run/systemd/system ]; }

# on_systemd WORD...: systemctl, where systemd runs; an image that is being made has none.
on_systemd() { if running; then systemctl "$@"; fi; }

need_packages() {
  local package missing=()
  for package in python3 python3-venv python3-numpy python3-pil python3-systemd espeak-ng libespeak-ng1 alsa-utils; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  # only Raspberry Pi OS has the camera's library
  if apt-cache show python3-picamera2 >/dev/null 2>&1 && ! dpkg-query -W python3-picamera2 >/dev/null 2>&1; then
    missing+=(python3-picamera2)
  fi
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Installing ${missing[*]} ..."
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null ||
    die "apt could not install ${missing[*]} (it says why above); is this computer online?"
}

# The lock file for this processor and Python, or what to do where there is none.
choose_runtime() {
  local machine python
  machine=$(dpkg --print-architecture)
  python=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])') || die "there is no /usr/bin/python3"
  case "$machine:$python" in
    arm64:3.11 | arm64:3.13 | amd64:3.11 | amd64:3.13) lock_file=requirements-litert.txt ;;
    armhf:3.11) lock_file=requirements-tflite.txt ;;
    armhf:*) die "there is no runtime for 32-bit systems with Python $python; take the 64-bit Raspberry Pi OS" ;;
    arm64:* | amd64:*) die "Python $python is not supported: expected 3.11 (bookworm) or 3.13 (trixie)" ;;
    *) die "processor '$machine' is not supported: expected arm64, amd64 or armhf" ;;
  esac
}

# keep_needed FROM TO: of the wheels only what the daemon loads, as the package holds it; the
# rest would take a hundred megabytes of the card.
keep_needed() {
  local pattern file
  while read -r pattern; do
    case "$pattern" in '' | '#'*) continue ;; esac
    (cd "$1" && { compgen -G "$pattern" || true; })
  done <"$here/systemd/debian/vendored.txt" | while read -r file; do
    install -D -m 644 "$1/$file" "$2/$file"
  done
}

# The new environment is made whole beside the old one, which serves until then.
install_program() {
  local new=$prefix/environment.new site
  rm -rf "$new"
  mkdir -p "$prefix"
  say "Installing the program into $prefix ..."
  /usr/bin/python3 -m venv --system-site-packages "$new"
  "$new/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-compile --require-hashes \
    --target "$new/fetched" -r "$here/systemd/$lock_file" ||
    die "pip could not fetch the packages (it says why above); is this computer online?"
  site=$("$new/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  keep_needed "$new/fetched" "$site"
  rm -rf "$new/fetched"
  (
    cd "$here"
    find pi_classifier -type f -not -path '*/__pycache__/*' -exec install -D -m 644 {} "$site/{}" \;
    find models -path 'models/*/*' -type f -exec install -D -m 644 {} "$site/pi_classifier/{}" \;
  )
  printf '#!/bin/sh\nexec %s/environment/bin/python -I -m pi_classifier "$@"\n' "$prefix" >"$new/bin/pi-classifier"
  chmod 755 "$new/bin/pi-classifier"
  "$new/bin/python" -m compileall -q -s "$new" -p "$prefix/environment" "$new/lib" >/dev/null || true
  "$new/bin/python" -I -m pi_classifier --version >/dev/null || die "what was installed does not start; nothing was changed"
  # A venv names its folder in few places; none of them is used but pyvenv.cfg's, which moves along.
  rm -rf "$prefix/environment.old"
  if [ -d "$prefix/environment" ]; then mv "$prefix/environment" "$prefix/environment.old"; fi
  mv "$new" "$prefix/environment"
  rm -rf "$prefix/environment.old"
}

put() { install -D -m 644 "$1" "$2"; }

install_files() {
  local file
  for file in "$here"/systemd/*.service; do
    sed "s#/usr/bin/pi-classifier#/usr/local/bin/pi-classifier#; s#/usr/share/pi-classifier/examples#$prefix/examples#" "$file" >"/etc/systemd/system/${file##*/}"
  done
  for file in "$here"/systemd/user/*.service; do
    mkdir -p /etc/systemd/user
    sed "s#/usr/bin/pi-classifier#/usr/local/bin/pi-classifier#" "$file" >"/etc/systemd/user/${file##*/}"
  done
  ln -sfn "$prefix/environment/bin/pi-classifier" /usr/local/bin/pi-classifier
  put "$here/systemd/sysusers.d/pi-classifier.conf" /etc/sysusers.d/pi-classifier.conf
  put "$here/systemd/tmpfiles.d/pi-classifier.conf" /etc/tmpfiles.d/pi-classifier.conf
  put "$here/systemd/udev/60-pi-classifier.rules" /etc/udev/rules.d/60-pi-classifier.rules
  put "$here/systemd/pi-classifier.catalog" /usr/local/lib/systemd/catalog/pi-classifier.catalog
  for file in "$here"/systemd/examples/*; do put "$file" "$prefix/examples/${file##*/}"; done
  [ -e /etc/pi-classifier/config.toml ] || put "$here/systemd/config.toml" /etc/pi-classifier/config.toml
}

activate() {
  local fresh=$1
  systemd-sysusers pi-classifier.conf
  systemd-tmpfiles --create pi-classifier.conf || true
  journalctl --update-catalog || true
  if [ -S /run/udev/control ]; then
    udevadm control --reload || true
    udevadm trigger --subsystem-match=dma_heap || true
  fi
  on_systemd daemon-reload
  if [ "$fresh" = yes ]; then
    systemctl --quiet enable "$unit"
    # a camera may take a minute to be found: nobody waits for it here
    on_systemd --no-block start "$unit"
    if running; then
      say "Installed. What it sees: systemctl status pi-classifier"
    else
      say "Installed. systemd does not run here, so nothing is started yet: it starts at the next boot"
    fi
  else
    on_systemd --no-block try-restart "$unit" 'pi-classifier@*.service'
    say "Brought up to date. What it sees: systemctl status pi-classifier"
  fi
}

uninstall() {
  local path
  on_systemd --quiet stop "$unit" 'pi-classifier@*.service' 2>/dev/null || true
  systemctl --quiet disable "$unit" 2>/dev/null || true
  for path in "$here"/systemd/*.service; do rm -f "/etc/systemd/system/${path##*/}"; done
  for path in "$here"/systemd/user/*.service; do rm -f "/etc/systemd/user/${path##*/}"; done
  rm -f /etc/sysusers.d/pi-classifier.conf /etc/tmpfiles.d/pi-classifier.conf
  rm -f /etc/udev/rules.d/60-pi-classifier.rules /usr/local/lib/systemd/catalog/pi-classifier.catalog
  rm -f /usr/local/bin/pi-classifier /etc/systemd/system/multi-user.target.wants/pi-classifier@*.service
  rm -rf "$prefix"
  journalctl --update-catalog || true
  on_systemd daemon-reload
}

case $action in
  install)
    choose_runtime
    need_packages
    fresh=yes
    [ ! -e "/etc/systemd/system/$unit" ] || fresh=no
    install_program
    install_files
    activate "$fresh"
    ;;
  uninstall)
    uninstall
    say "Taken away. Kept: /etc/pi-classifier, /var/lib/pi-classifier (sudo systemd/install.sh --purge removes them)"
    ;;
  purge)
    uninstall
    rm -rf /etc/pi-classifier /var/lib/pi-classifier /var/cache/pi-classifier
    say "Taken away, with its configuration, photos and models. The user pi-classifier stays."
    ;;
esac
