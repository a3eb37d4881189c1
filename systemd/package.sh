#!/usr/bin/env bash
# Builds pi-classifier as a Debian package for a Pi or a PC, on any Debian machine, without root.
#   systemd/package.sh ARCH PYTHON        ARCH: arm64, amd64 or armhf; PYTHON: 3.11 or 3.13
#   systemd/package.sh python             wheels and source archives instead, for pip: device and bench
# Raspberry Pi OS bookworm has Python 3.11, trixie 3.13. What is built lands in dist/, and is the
# same, byte for byte, whoever builds it (the date is the last commit's, or SOURCE_DATE_EPOCH).
# OUT names another folder than dist/, DEBFULLNAME and DEBEMAIL the maintainer.
umask 022
. "$(dirname "$0")/../scripts/setup.sh"
export LC_ALL=C.UTF-8 TZ=UTC
unset PYTHONPATH

usage="usage: systemd/package.sh arm64|amd64|armhf 3.11|3.13, or systemd/package.sh python"
case "$#:${1:-}" in
  1:python | 2:arm64 | 2:amd64 | 2:armhf) arch=$1 py=${2:-} ;;
  2:*) die "architecture '$1' is unknown: expected arm64 (64-bit Pi), amd64 (PC) or armhf (32-bit Pi); $usage" ;;
  *) die "$usage" ;;
esac
case "$py" in
  3.11 | '') ;;
  3.13) [ "$arch" != armhf ] || die "there is no runtime for armhf with Python 3.13 (tflite-runtime ends at 3.11): take 64-bit Raspberry Pi OS, or bookworm" ;;
  *) die "Python '$py' is not built for: expected 3.11 (bookworm) or 3.13 (trixie); $usage" ;;
esac
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}"
export SOURCE_DATE_EPOCH

work=$root/build/package
out=${OUT:-dist}
mkdir -p "$out" "$work"
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' pi_classifier/__init__.py)
[ -n "$version" ] || die "pi_classifier/__init__.py names no __version__"

# Two at a time would share downloads and unfinished files.
exec {lock}>"$work/lock"
flock "$lock"

# building_python: an environment for pip and the build.
building_python() {
  find_python 13 >/dev/null || apt_install python3-venv
  python=$(own_python)
  [ -x "$work/python/bin/pip" ] || "$python" -m venv "$work/python"
  python=$work/python/bin/python
}

pip() { "$python" -m pip --disable-pip-version-check -q "$@" 2> >(grep -v '^WARNING: Location' >&2); }

# build_distribution NAME FOLDER FILE...: the wheel and the source archive of what lies in FOLDER.
build_distribution() {
  local name=$1 folder=$2 stem=$1-$version
  shift 2
  rm -rf "$work/source" && mkdir "$work/source"
  # from a copy: what lies about in a working tree (build/, *.egg-info) must not get in
  (cd "$folder" && cp -rL --parents "$@" "$work/source")
  find "$work/source" -name __pycache__ -prune -exec rm -rf {} +
  even_times "$work/source"
  # the wheel is made from the source archive, which so proves to be whole
  "$python" -m build --no-isolation --outdir "$out" "$work/source" >"$work/build.log" 2>&1 ||
    die "the wheel of $name could not be built: $(tail -5 "$work/build.log")"
  rm -rf "$work/source"
  "$python" systemd/sbom.py wheel "$out/$stem-py3-none-any.whl" >"$out/$stem-py3-none-any.cdx.json"
  say "Built $out/$stem-py3-none-any.whl, its bill of materials (.cdx.json) and $out/$stem.tar.gz"
}

build_python() {
  building_python
  pip install --no-deps --require-hashes -r requirements/build.txt
  build_distribution pi_classifier . LICENSE NOTICE MANIFEST.in README.md CHANGELOG.md pyproject.toml setup.py \
    pi_classifier models systemd docs requirements scripts/setup.sh
  build_distribution pi_classifier_training training LICENSE NOTICE README.md pyproject.toml pi_classifier_training
}

# What a download is compared with; all of a release lies in one folder.
checksums() {
  (cd "$out" && find . -maxdepth 1 -type f -name 'pi[-_]classifier*' -printf '%P\n' | sort | xargs -d '\n' sha256sum >"$work/SHA256SUMS")
  mv "$work/SHA256SUMS" "$out/SHA256SUMS"
}

megabytes() { du -sb "$1" | awk '{ printf "%.1f", $1 / 1e6 }'; }

even_times() { find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }

# The wheels' machine, lock file and oldest C library, and what the files must say they are for.
describe_target() {
  case $arch in
    arm64) machine=aarch64 triple=aarch64-linux-gnu lock_file=litert libc=2.27 elf='AArch64' ;;
    amd64) machine=x86_64 triple=x86_64-linux-gnu lock_file=litert libc=2.27 elf='Advanced Micro Devices X86-64' ;;
    armhf) machine=armv7l triple=arm-linux-gnueabihf lock_file=tflite libc=2.34 elf='ARM' ;;
  esac
  abi=cp${py/./}
  deb_version=$version-1+py${py/./}
  deb=pi-classifier_${deb_version}_$arch.deb
}

# vendored FOLDER: what the wheels hold, as far as debian/vendored.txt keeps it.
vendored() {
  local platforms=() glibc wheels=$work/wheels unpacked=$work/unpacked pattern
  for glibc in 2014 _2_17 _2_27 _2_28 _2_34 _2_35 _2_36; do
    platforms+=(--platform "manylinux${glibc}_$machine")
  done
  mkdir -p "$wheels"
  fetch() {
    pip download --no-deps --require-hashes --only-binary :all: "${platforms[@]}" --implementation cp \
      --abi "$abi" --abi abi3 --abi none --python-version "$py" --find-links "$wheels" --dest "$wheels" "$@" \
      -r "systemd/requirements-$lock_file.txt"
  }
  # without internet, from what was fetched before; the lock file's hashes hold either way
  fetch --no-index 2>/dev/null || fetch || die "the wheels could not be fetched (pip says why above); is this computer online?"
  rm -rf "$unpacked"
  pip install --no-deps --no-index --no-compile --require-hashes --only-binary :all: "${platforms[@]}" \
    --implementation cp --abi "$abi" --abi abi3 --abi none --python-version "$py" --find-links "$wheels" \
    --target "$unpacked" -r "systemd/requirements-$lock_file.txt"
  while read -r pattern; do
    case "$pattern" in '' | '#'*) continue ;; esac
    (cd "$unpacked" && { compgen -G "$pattern" || true; })
  done <systemd/debian/vendored.txt | sort -u | while read -r file; do
    install -D -m 644 "$unpacked/$file" "$1/$file"
  done
}

# program FOLDER: the daemon's package, as it lies here.
program() {
  find pi_classifier -type f -not -path '*/__pycache__/*' -exec install -D -m 644 {} "$1/{}" \;
}

# Without what only a debugger reads: 24 of 25 MB of one library.
strip_libraries() {
  # the machine's own binutils have this name too, once they are there
  command -v "$triple-strip" >/dev/null || apt_install "binutils-${triple/x86_64/x86-64}"
  find "$1" -name '*.so*' -exec "$triple-strip" --strip-unneeded -R .comment -R .note {} +
}

check_machine() {
  local file says
  find "$1" -name '*.so*' | while read -r file; do
    says=$("$triple-readelf" -h "$file" | sed -n 's/^ *Machine: *//p')
    [ "$says" = "$elf" ] || die "$file is for $says, and should be for $elf"
    case "$file" in *.cpython-*) case "$file" in *".cpython-${py/./}-"*) ;; *) die "$file is not for Python $py" ;; esac ;; esac
  done
}

put() { install -D -m 644 "$1" "$tree$2"; }

page() { gzip -9n >"$1" && chmod 644 "$1"; }

# What systemd, udev, dpkg and people read.
service_files() {
  local file
  for file in systemd/*.service; do put "$file" "/usr/lib/systemd/system/${file##*/}"; done
  for file in systemd/user/*.service; do put "$file" "/usr/lib/systemd/user/${file##*/}"; done
  for file in systemd/*.catalog; do [ ! -e "$file" ] || put "$file" "/usr/lib/systemd/catalog/${file##*/}"; done
  for file in systemd/examples/*; do put "$file" "/usr/share/pi-classifier/examples/${file##*/}"; done
  put systemd/sysusers.d/pi-classifier.conf /usr/lib/sysusers.d/pi-classifier.conf
  put systemd/tmpfiles.d/pi-classifier.conf /usr/lib/tmpfiles.d/pi-classifier.conf
  put systemd/udev/60-pi-classifier.rules /usr/lib/udev/rules.d/60-pi-classifier.rules
  put systemd/config.toml /etc/pi-classifier/config.toml
  install -D -m 755 systemd/debian/pi-classifier "$tree/usr/bin/pi-classifier"
  find models -type f -path 'models/*/*' -exec install -D -m 644 {} "$tree/usr/share/pi-classifier/{}" \;
}

documents() {
  local doc=$tree/usr/share/doc/pi-classifier
  # the manual page is the help of the program, which imports them
  pip install --no-deps --require-hashes -r <(locked device numpy pillow)
  put README.md /usr/share/doc/pi-classifier/README.md
  find docs \( -path 'docs/device/*.md' -o -path 'docs/reference/*.md' \) -exec install -D -m 644 {} "$tree/usr/share/doc/pi-classifier/{}" \;
  put systemd/debian/copyright /usr/share/doc/pi-classifier/copyright
  put systemd/debian/lintian-overrides /usr/share/lintian/overrides/pi-classifier
  "$python" systemd/debian/pages.py changelog "$deb_version" "$maintainer" "$SOURCE_DATE_EPOCH" |
    page "$doc/changelog.Debian.gz"
  page "$doc/changelog.gz" <CHANGELOG.md
  mkdir -p "$tree"/usr/share/man/man{1,8}
  "$python" systemd/debian/pages.py manual "$version" | page "$tree/usr/share/man/man1/pi-classifier.1.gz"
  page "$tree/usr/share/man/man8/pi-classifier.service.8.gz" <systemd/debian/pi-classifier.service.8
}

# The wheels' own license texts, the project's notice, and what all this is made of.
licenses_and_bill() {
  local doc=/usr/share/doc/pi-classifier info file
  for info in "$work/unpacked"/*.dist-info; do
    for file in "$info"/licenses/*; do
      [ ! -f "$file" ] || put "$file" "$doc/licenses/$(basename "$info" .dist-info)/${file##*/}"
    done
  done
  put NOTICE "$doc/NOTICE"
  "$python" systemd/sbom.py deb "$deb_version" "$arch" "$tree" "$work/wheels" \
    "systemd/requirements-$lock_file.txt" >"$tree$doc/pi-classifier.cdx.json"
  chmod 644 "$tree$doc/pi-classifier.cdx.json"
}

control_files() {
  local script numpy=
  [ "$arch" != armhf ] || numpy=' (<< 1:2)'
  mkdir "$tree/DEBIAN"
  sed -e "s/@VERSION@/$deb_version/; s/@ARCHITECTURE@/$arch/; s/@MAINTAINER@/$maintainer/" \
    -e "s/@SIZE@/$(du -sk --apparent-size --exclude=DEBIAN "$tree" | cut -f1)/; s/@LIBC@/$libc/; s/@NUMPY@/$numpy/" \
    -e "s/@PYTHON@/$py/; s/@PYTHON_AFTER@/3.$((${py#3.} + 1))/" systemd/debian/control.in >"$tree/DEBIAN/control"
  for script in preinst postinst prerm postrm; do install -m 755 "systemd/debian/$script" "$tree/DEBIAN/$script"; done
  (cd "$tree" && find etc -type f -printf '/%p\n' | sort >DEBIAN/conffiles)
  (cd "$tree" && find usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
  chmod 644 "$tree"/DEBIAN/{control,conffiles,md5sums}
}

build_deb() {
  describe_target
  building_python
  maintainer="${DEBFULLNAME:-pi-classifier developers} <${DEBEMAIL:-pi-classifier@example.org}>"
  tree=$work/tree
  rm -rf "$tree" && mkdir "$tree"
  vendored "$tree/usr/lib/pi-classifier"
  strip_libraries "$tree"
  check_machine "$tree"
  say "Kept $(megabytes "$tree") MB of the $(megabytes "$work/unpacked") MB in the wheels"
  program "$tree/usr/lib/pi-classifier"
  service_files
  documents
  licenses_and_bill
  control_files
  find "$tree" -type d -exec chmod 755 {} +
  even_times "$tree"
  dpkg-deb --root-owner-group -Z"${DPKG_DEB_COMPRESSOR_TYPE:-xz}" --build "$tree" "$work/$deb" >/dev/null
  mv "$work/$deb" "$out/$deb"
  rm -rf "$tree" "$work/unpacked"
  say "Built $out/$deb ($(stat -c %s "$out/$deb" | awk '{ printf "%.1f", $1 / 1e6 }') MB, installed $(dpkg-deb -f "$out/$deb" Installed-Size | awk '{ printf "%.1f", $1 * 1.024e-3 }') MB; $(sha256sum "$out/$deb" | cut -c1-16)...)"
}

if [ "$arch" = python ]; then build_python; else build_deb; fi
checksums
