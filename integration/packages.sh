#!/bin/sh
# packages.sh test|vm|bench: see to the distribution packages that the tests,
# the virtual machine or the benchmarks use. Root on Debian and its relatives
# installs what is missing, and says so; everybody else is told the command and
# goes on without: what needs the package is skipped, by name.
set -eu

# A program, and the Debian package that brings it.
case "${1-}" in
test) wanted="newuidmap:uidmap busybox:busybox-static skopeo:skopeo docker-registry:docker-registry
	slirp4netns:slirp4netns pasta:passt fuse-overlayfs:fuse-overlayfs podman:podman docker:docker.io
	mmdebstrap:mmdebstrap redis-cli:redis-tools psql:postgresql-client curl:curl dig:bind9-dnsutils
	buildah:buildah git:git ssh-agent:openssh-client ip:iproute2 iperf3:iperf3 mkfs.ext4:e2fsprogs" ;;
vm) wanted="mmdebstrap:mmdebstrap qemu-system-x86_64:qemu-system-x86 mkfs.ext4:e2fsprogs ssh:openssh-client" ;;
bench) wanted="crun:crun runc:runc bwrap:bubblewrap podman:podman buildah:buildah slirp4netns:slirp4netns newuidmap:uidmap mkfs.ext4:e2fsprogs" ;;
*)
	echo "usage: $0 test|vm|bench" >&2
	exit 2
	;;
esac

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
missing=
for pair in $wanted; do
	command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
	echo "not installed, and what needs it is left out:$missing (names of the Debian packages)"
elif [ "$(id -u)" -ne 0 ]; then
	echo "not installed, and what needs it is left out; to have it: sudo apt-get install$missing"
else
	echo "installing, as root, the packages that are missing:$missing"
	# shellcheck disable=SC2086 # a list of names
	{ DEBIAN_FRONTEND=noninteractive apt-get update -q &&
		DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing; } >/dev/null ||
		echo "apt-get could not install them; what needs them is left out"
fi
