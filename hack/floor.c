// floor ROOTFS CMD [ARG...]: what a container start costs at least. It makes the namespaces of the bench's bundle, maps one
// id, does four mounts, pivots and executes; no configuration, no checks, no state, no cleanup. Nothing that does more can
// be faster, so hack/bench prints it beside the others. Built with gcc -O2 -static: no loader either.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(125);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static void put_map(const char *path, unsigned int id)
{
	char line[32];
	snprintf(line, sizeof line, "0 %u 1", id);
	put(path, line);
}

static void child(char **argv)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die("private /");
	if (mount(argv[1], argv[1], NULL, MS_BIND | MS_REC, NULL))
		die("bind root");
	if (chdir(argv[1]))
		die(argv[1]);
	if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		die("proc");
	if (mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536k"))
		die("dev");
	mkdir("dev/pts", 0755);
	mkdir("dev/shm", 01777);
	if (mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"))
		die("devpts");
	if (mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=65536k"))
		die("shm");
	if (syscall(SYS_pivot_root, ".", "."))
		die("pivot_root");
	if (umount2(".", MNT_DETACH) || chdir("/"))
		die("old root");
	execv(argv[2], argv + 2);
	die(argv[2]);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: floor ROOTFS CMD [ARG...]\n");
		return 125;
	}
	unsigned int uid = geteuid(), gid = getegid();
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS))
		die("unshare");
	put("/proc/self/setgroups", "deny"); // before gid_map, or writing that is refused (user_namespaces(7))
	put_map("/proc/self/uid_map", uid);
	put_map("/proc/self/gid_map", gid);
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		child(argv);
	int status;
	if (waitpid(pid, &status, 0) < 0)
		die("wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
