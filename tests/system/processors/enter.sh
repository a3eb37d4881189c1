# Runs a command in a root of another processor. Started by emulation.py in user and mount
# namespaces of its own, so nothing here is seen by, or left on, the machine it runs on.
#   enter.sh FORMAT WORK ROOT REPOSITORY SHARED CPUINFO COMMAND...
# FORMAT is a line for binfmt_misc; WORK an empty folder, for mounts; the others are shown
# inside as /, /srv/pi-classifier (read-only), /shared and /proc/cpuinfo. With "-" as ROOT the
# command runs in this machine's own root, to make one of another processor.
set -eu
format=$1 work=$2 root=$3 repository=$4 shared=$5 cpuinfo=$6
shift 6

# Since Linux 6.7 each user namespace has its own list of formats; on older ones the list is
# the machine's, which is not ours to change but may know the processor already.
if mount -t binfmt_misc none /proc/sys/fs/binfmt_misc 2>/dev/null; then
  printf '%s' "$format" >/proc/sys/fs/binfmt_misc/register
else
  name=${format#:}
  if [ ! -e "/proc/sys/fs/binfmt_misc/${name%%:*}" ]; then
    echo "this kernel ($(uname -r), before 6.7?) has no list of formats for one namespace;" \
      "install qemu-user-static as root: it registers itself with systemd" >&2
    exit 69
  fi
fi

[ "$root" != - ] || exec "$@"

# Whatever is written goes to memory and ends with the command.
mount -t tmpfs -o mode=755 tmpfs "$work"
mkdir "$work/upper" "$work/scratch" "$work/root"
mount -t overlay -o "userxattr,lowerdir=$root,upperdir=$work/upper,workdir=$work/scratch" \
  overlay "$work/root"
cd "$work/root"
mkdir -p proc sys dev tmp run shared srv/pi-classifier
for each in proc sys dev; do mount --rbind "/$each" "$each"; done
mount --bind "$cpuinfo" proc/cpuinfo
# With what is mounted below it, as the kernel demands of mounts that are not ours.
mount --rbind "$repository" srv/pi-classifier
mount -o remount,bind,ro srv/pi-classifier
mount --bind "$shared" shared
exec chroot . env -C /srv/pi-classifier "$@"
