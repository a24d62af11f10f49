struct Event {
	__u64 pid;
	__u32 result;
	__u8 tail[4];
};
