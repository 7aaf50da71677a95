package tests

// withTun is a run whose network needs the device.
const withTun = "sandbox run --network slirp4netns ./r true"

// placeCodes are about the state directory, cgroups and the network.
var placeCodes = []cause{
	{code: "SBX-RUNTIME-FALLBACK", who: "root", needs: "exec:setpriv", in: own, ok: true, says: "XDG_RUNTIME_DIR is not set, the usual directory ./run/user/4242. is missing", do: `
ann_lives
mount -t tmpfs none /run; mount -t tmpfs -o mode=1777 none /tmp
ann env -u XDG_RUNTIME_DIR sandbox run -- true`},
	{code: "SBX-RUNTIME-FOREIGN", who: "user", says: "can be written by others .mode 0777", do: `
mkdir run run/sandbox; chmod 777 run/sandbox
XDG_RUNTIME_DIR=$PWD/run sandbox run -- true`},
	{code: "SBX-RUNTIME-READ-ONLY", in: nested, do: "mkdir d; mount -t tmpfs -o ro none d\n$SANDBOX_BIN --root $PWD/d run -- true", says: "/d;"},
	{code: "SBX-RUNTIME-FULL", in: nested, says: "(KiB|inodes) left", do: `
mkdir d; mount -t tmpfs -o size=64k none d; head -c 100000 /dev/zero >d/x 2>&- || :
$SANDBOX_BIN --root $PWD/d/r run -- true`},
	{code: "SBX-RUNTIME-ACCESS", who: "user", do: "$SANDBOX_BIN --root /etc/state-of-mine run -- true", says: "you are uid"},
	{code: "SBX-CGROUP-DELEGATION", needs: "cgroup2", in: nested, says: "/sys/fs/cgroup is mounted read-only", do: `
mount --bind /sys/fs/cgroup /sys/fs/cgroup; mount -o remount,bind,ro /sys/fs/cgroup
sandbox run --pids-limit 9 ./r true`},
	{code: "SBX-CGROUP-V2", who: "root", in: own, says: "cgroups mounted: ", do: `
umount -l /sys/fs/cgroup; mount -t tmpfs none /sys/fs/cgroup
sandbox run --pids-limit 9 ./r true`},
	{code: "SBX-CGROUP-V2", who: "root", needs: "cgroup2", in: own, says: "memory is in hierarchy 3 of version 1", do: `
controllers 3
sandbox --cgroup-manager=cgroupfs run --memory 64m ./r true`, typed: `
no systemctl
fix unified_cgroup_hierarchy`},
	{code: "SBX-CGROUP-CONTROLLER", who: "root", needs: "cgroup2 exec:setpriv", in: own, says: "cgroup.controllers of /codes", do: `
ann_lives
controllers 0
group=$(mktemp -d /sys/fs/cgroup/codes.XXXXXX)
chmod 755 $group; mkdir -p $group/in/shell; chown -R 4242 $group/in
here=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)
echo $$ >$group/in/shell/cgroup.procs
ann sandbox --cgroup-manager=cgroupfs run --memory 64m ./r true || status=$?
echo $$ >$here/cgroup.procs
for dir in $group/in/shell $group/in $group; do
	for try in $(seq 100); do if rmdir $dir 2>&-; then break; fi; sleep 0.1; done
done
exit $status`},
	{code: "SBX-CGROUP-SYSTEMD", needs: "cgroup2", do: "env -u DBUS_SESSION_BUS_ADDRESS sandbox --cgroup-manager=systemd run ./r true"},
	{code: "SBX-CGROUP-DISABLED", do: "sandbox run --cgroups=disabled --pids-limit 5 ./r true"},
	{code: "SBX-CGROUP-DEVICES", who: "root", needs: "cgroup2", says: "operation not permitted", do: `
filter 1 bpf
filtered --userns host -- sh -ec 'mount -o remount,rw /sys/fs/cgroup; $SANDBOX_BIN run --network none --require devices ./r true'`},
	{code: "SBX-IMAGE-PROGRAM", says: "sandbox-image is not installed", do: "mkdir x; cp $SANDBOX_BIN x/sandbox; x/sandbox pull y"},
	{code: "SBX-NETWORK-NONE", in: nested, says: "install slirp4netns or passt", do: `
: >fake
for p in slirp4netns pasta; do if p=$(command -v $p); then mount --bind fake $p; fi; done
sandbox run --require network ./r true`},
	{code: "SBX-NETWORK-SEEN", needs: "exec:slirp4netns tun", do: "sandbox run --pid host --network slirp4netns ./r true"},
	{code: "SBX-TUN-MISSING", needs: "exec:slirp4netns", in: nested, do: "mount -t tmpfs none /dev/net\n" + withTun, says: "open answered ENOENT"},
	{code: "SBX-TUN-DENIED", needs: "exec:slirp4netns tun", in: nested, says: "open answered EACCES", do: `
mount --bind /dev/net/tun /dev/net/tun; mount -o remount,bind,nodev /dev/net/tun
` + withTun},
	{code: "SBX-TUN-MODULE", who: "root", needs: "exec:slirp4netns", in: own, says: "open answered EN", do: `
mount -t tmpfs none /dev/net; mknod -m 666 /dev/net/tun c 10 251
` + withTun},
}
