#pragma once
/* The Python frame walk, bounded and freestanding: compiled into the BPF programs and, with stub readers, into
 * the host tests and the fuzzer.  It includes nothing; the includer provides __u8 … __u64 and before inclusion
 *     WALK_READ(dst, len, addr)      0 on success; may fault harmlessly
 * Untrusted: every pointer.  Bounded: WALK_MAX_FRAMES steps, each at most three reads. */

#define WALK_MAX_FRAMES 128
#define WALK_SPAN 128 /* bytes of a frame read at once; every offset below must lie inside */

/* What the walk needs of a version; offsets from the layout row or the target's debug offsets. */
struct walk_layout {
	__u16 tstate_frame; /* PyThreadState: frame (<=3.10), cframe (3.11, 3.12), current_frame (3.13+) */
	__u16 cframe_frame; /* offset of current_frame in _PyCFrame; WALK_NO_FIELD when tstate points at the frame */
	__u16 tstate_thread_id; /* PyThreadState.thread_id */
	__u16 tstate_interp;
	__u8 frame_code, frame_prev, frame_instr, frame_owner; /* owner WALK_NO_OWNER: no shim frames (<=3.11) */
	__u8 lasti_scale; /* 0: instr is a pointer; 1, 2: frame_instr is an int, times this = bytes */
	__u8 code_tag_mask; /* low bits to clear from the code pointer (3.14+: 3) */
	__u16 code_firstlineno;
	__u16 code_bytecode; /* co_code_adaptive, where instr pointers start */
	__u8 owner_shim; /* owner values from this on are not Python frames (3) */
	__u8 pad;
	/* the GIL's words, from its address */
	__u16 gil_last_holder, gil_locked, gil_switch_number;
	__u16 gil_cond, gil_mutex, gil_switch_cond, gil_switch_mutex, gil_size;
};
#define WALK_NO_FIELD 0xffff
#define WALK_NO_OWNER 0xff
