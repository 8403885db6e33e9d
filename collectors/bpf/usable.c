/* See usable.h. */
#include "collectors/bpf/usable.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collectors/collector.h"
#include "core/target/target.h"

#define KERNEL_BTF "/sys/kernel/btf/vmlinux"

/* r0 = 0, after a read of kernel memory that lockdown=confidentiality forbids. */
static const struct bpf_insn tiny_program[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_10},
	{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_1, .imm = -8},
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 8},
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 0},
	{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_probe_read_kernel},
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
	{.code = BPF_JMP | BPF_EXIT},
};

/* Last line of the verifier's log with words in it: the reason. */
static void last_words(char *log)
{
	char *end = log + strlen(log), *line;

	while (end > log && (end[-1] == '\n' || !strncmp(end - 1, " ", 1)))
		*--end = '\0';
	line = strrchr(log, '\n');
	if (line)
		memmove(log, line + 1, strlen(line + 1) + 1);
}

/* Only how they begin: to read them all takes as long as everything else here, and is done at the load of the real programs. */
static int try_types(void)
{
	int fd = open(KERNEL_BTF, O_RDONLY | O_CLOEXEC), err;
	uint16_t magic = 0;

	if (fd < 0)
		return -errno;
	err = read(fd, &magic, sizeof(magic)) == sizeof(magic) && magic == BTF_MAGIC ? 0 : -ENOENT;
	close(fd);
	return err;
}

int bpf_try(char *log, size_t log_size, int *ret_errno)
{
	LIBBPF_OPTS(bpf_prog_load_opts, load, .log_buf = log, .log_size = (__u32)log_size, .log_level = 1);
	int program, link;

	*log = '\0';
	*ret_errno = -try_types();
	if (*ret_errno)
		return BPF_TRY_BTF;
	program = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "gilscope_probe", "Dual BSD/GPL", tiny_program,
				sizeof(tiny_program) / sizeof(tiny_program[0]), &load);
	if (program < 0) {
		*ret_errno = errno;
		last_words(log);
		return BPF_TRY_LOAD;
	}
	link = bpf_raw_tracepoint_open("sched_switch", program);
	*ret_errno = errno;
	close(program);
	if (link < 0)
		return BPF_TRY_ATTACH;
	close(link);
	return 0;
}

int bpf_try_clock(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_freq = 99, .freq = 1, .disabled = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int refuse(int err, const char *step, const char *reason, struct fail *why)
{
	fail_set(why, -err, FAIL_MACHINE, "could not %s: %s", step, reason);
	if (err == EPERM || err == EACCES)
		return fail_hint(why, "Run as root (sudo gilscope …) or give the program the capabilities it needs: sudo setcap "
				      TARGET_SETCAP " \"$(command -v gilscope)\".  `gilscope doctor` names what is missing.");
	return fail_hint(why, "`gilscope doctor` checks this machine.");
}

int bpf_usable(const struct collector_request *request, struct fail *why)
{
	char log[2048];
	int err;

	switch (bpf_try(log, sizeof(log), &err)) {
	case BPF_TRY_BTF:
		fail_set(why, -ENOENT, FAIL_MACHINE, "could not load the eBPF programs: this kernel has no BTF (/sys/kernel/btf/vmlinux)");
		return fail_hint(why, "It needs 5.15 or newer, built with CONFIG_DEBUG_INFO_BTF, as distributions' kernels are.");
	case BPF_TRY_LOAD:
		return refuse(err, "load the eBPF programs", strerror(err), why);
	case BPF_TRY_ATTACH:
		return refuse(err, "attach the eBPF programs", strerror(err), why);
	default:
		break;
	}
	err = request->sample_hz ? bpf_try_clock() : 0;
	if (!err)
		return 0;
	fail_set(why, err, FAIL_MACHINE, "could not open the cpu-clock sampler: %s", strerror(-err));
	return fail_hint(why, "Record without samples: add -r 0.  Or allow them: sysctl kernel.perf_event_paranoid=2 with CAP_PERFMON.");
}
