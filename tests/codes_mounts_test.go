package tests

// binding runs a bundle that has the directory d at /m, with some options.
func binding(options, flags string) string {
	return `bundled '.mounts += [{destination: "/m", type: "bind", source: (env.PWD + "/d"), options: ["bind"` + options + `]}]' ` + flags
}

// mountCodes are about filesystems.
var mountCodes = []cause{
	{code: "SBX-PROC-MASKED", in: nested, do: "mount -t tmpfs none /proc/bus\nbundled . --require proc.fresh", says: "mounted over proc: /proc/bus"},
	{code: "SBX-SYSFS-MASKED", in: nested, do: `
mount -t tmpfs none /sys/kernel
bundled '.linux.namespaces += [{type: "network"}] | .linux.namespaces |= unique | .mounts += [{destination: "/sys", type: "sysfs", source: "sysfs"}]' --require sysfs.fresh`, says: "mounted over sysfs: /sys/kernel"},
	{code: "SBX-SYSFS-NETNS", in: nested, says: "network namespace is the caller", do: `
bundled '.linux.namespaces |= map(select(.type != "network")) | .mounts += [{destination: "/sys", type: "sysfs", source: "sysfs"}]' --require sysfs.fresh`},
	{code: "SBX-CGROUP-MOUNT", needs: "cgroup2", in: nested, says: "cgroup namespace is the caller", do: `
bundled '.linux.namespaces |= map(select(.type != "cgroup")) | .mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup"}]' --require cgroupns`},
	{code: "SBX-OVERLAY-LOWER", needs: "overlay", in: nested, says: "below .*/d are the mounts .*/d/x", do: `
mkdir d d/x; mount -t tmpfs none d/x
sandbox run --userns single -v $PWD/d:/mnt:O ./r true`},
	{code: "SBX-OVERLAY-NESTED", needs: "overlay", in: nested, says: "is on the overlay mounted at .*/m", do: `
mkdir t l m; mount -t tmpfs none t; mkdir t/u t/w
mount -t overlay -o lowerdir=l,upperdir=t/u,workdir=t/w,userxattr none m
mkdir m/u m/w
sandbox run -v $PWD/l:/mnt:O,upperdir=$PWD/m/u,workdir=$PWD/m/w ./r true`},
	{code: "SBX-OVERLAY-UPPER", needs: "overlay fuse", in: nested, says: "/u is on fuse mounted at .*/f", do: `
mkdir l f
exec $TEST helper:fuse f sh -ec 'mkdir f/u f/w; sandbox run -v $PWD/l:/mnt:O,upperdir=$PWD/f/u,workdir=$PWD/f/w ./r true'`},
	{code: "SBX-MOUNT-LOCKED", in: nested, do: "mkdir -p d; mount -t tmpfs -o noexec none d\n" + binding(`, "exec"`, "--require mounts"), says: "/d is mounted noexec,relatime outside", typed: `
no '-v '
export flags=$(fix 'in config.json' | sed 's/.*options //')
bundled '.mounts += [{destination: "/m", type: "bind", source: (env.PWD + "/d"), options: (["bind", "exec"] + (env.flags | split(",")))}]' --require mounts
sh -c "$(fix remount | sed s/sudo//)"
` + binding(`, "exec"`, "--require mounts")},
	{code: "SBX-MOUNT-LOCKED", in: nested, do: "mkdir -p d; mount -t tmpfs -o noexec none d\nsandbox run --userns single -v $PWD/d:/m:exec --require mounts ./r true", says: "/d is mounted noexec,relatime outside", typed: `
no config.json
sandbox run --userns single $(fix '-v ' | sed 's/.*: //') --require mounts ./r true
sh -c "$(fix remount | sed s/sudo//)"
sandbox run --userns single -v $PWD/d:/m:exec --require mounts ./r true`},
	{code: "SBX-MOUNT-BELOW", who: "user", says: "below /sys are the mounts /sys/", do: `
bundled '.mounts += [{destination: "/m", type: "bind", source: "/sys", options: ["bind"]}]'`},
	{code: "SBX-NOT-SUPPORTED", do: "mkdir d\n" + binding(`, "sync"`, "--require mounts"), says: "/m without sync|whose own option that is"},
}
