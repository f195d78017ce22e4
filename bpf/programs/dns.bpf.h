// SPDX-License-Identifier: MIT
// DNS over UDP, in clear: queries and their answers, counted by name.

#ifdef RECORDS_dns
#define DNS_HEADER 12
#define DNS_RESPONSE 0x80   // in the third byte
#define DNS_TRUNCATED 0x02  // likewise
#define DNS_RCODE 0x0f      // in the fourth byte
#define MOST_LABELS 128
#define LONGEST_LABEL 63
#ifdef TAIL_CALLS_BESIDE_FUNCTIONS
#define MOST_DNS 64  // messages of a call
#else
#define MOST_DNS 8
#endif

// What a query asked for, and when it was sent. Its key is as the answers of it are counted.
struct dns_query {
	u64 ts;
	struct dns_key key;
};
_Static_assert(__builtin_offsetof(struct dns_key, domain) % 8 == 0, "words of a domain");

struct dns_place {
	u64 sk;
	u8 server[16];
	u32 id, unused;
};
BPF_TABLE("lru_hash", struct dns_place, struct dns_query, dns_queries, DNS_ENTRIES);

// The server that a message of a call goes to or comes from.
struct dns_peer {
	u8 address[16];
	u32 address_len, family;
	u32 message, bytes;
};

// Too large for the stack.
struct dns_work {
	struct dns_query query;
	struct dns_peer peers[MOST_DNS];
	struct dns_place place;
	u8 head[8];
	u8 question[256];
};
BPF_PERCPU_ARRAY(dns_work, struct dns_work, 1);

// Turns the capitals among eight bytes into small letters. Lengths of labels are less than 'A'.
INLINE u64 small_letters(u64 word)
{
	u64 ascii = ~word & 0x8080808080808080ULL;
	u64 low = word & 0x7f7f7f7f7f7f7f7fULL;
	u64 from_a = low + 0x3f3f3f3f3f3f3f3fULL;   // 0x80 - 'A'
	u64 after_z = low + 0x2525252525252525ULL;  // 0x7f - 'Z'
	return word | (((from_a ^ after_z) & ascii) >> 2);
}

// The length of the name at the beginning of a question, without its root. 256: it has no end here, or a pointer, which
// no question has.
INLINE u32 length_of_name(struct dns_work *w, u64 unknown)
{
	u32 at = 0, found = 256;
	for (u32 i = 0; i < MOST_LABELS; i++) {
		u64 place = at;
		BOUND_HERE(place);  // or clang leaves out what the verifier needs
		u8 label = w->question[place & 255];
		if (!label) {
			found = at;
			break;
		}
		if (label > LONGEST_LABEL)
			break;
		at += label + 1;
		if (at > 254)
			break;
	}
	u64 hidden = found;
	FORGET(hidden, unknown);
	return hidden;
}

// Reads what a query asks for. Returns 0 if that cannot be read.
INLINE int read_question(struct dns_work *w, void *at, u64 bytes)
{
	struct dns_key *key = &w->query.key;
	u64 room = bytes - DNS_HEADER;
	u16 type = 0;
	if (bytes <= DNS_HEADER)
		return 0;
	BOUND_HERE(room);
	if (room > 255)
		room = 255;
	__builtin_memset(w->question, 0, sizeof(w->question));
	w->question[255] = LONGEST_LABEL + 1;
	if (bpf_probe_read_user(w->question, room, at + DNS_HEADER)) {
		lose(LOSS_dns_unreadable);
		return 0;
	}
	u64 length = length_of_name(w, (u64)at);
	if (length > 254 || length + 5 > bytes - DNS_HEADER)
		return 0;
	BOUND_HERE(length);
	if (length > 254)
		return 0;
	bpf_probe_read_kernel(key->domain, length, w->question);
	u64 *words = (u64 *)key->domain;
#pragma clang loop unroll(disable)
	for (int i = 0; i < 32; i++)
		words[i] = small_letters(words[i]);
	bpf_probe_read_user(&type, sizeof(type), at + DNS_HEADER + length + 1);
	key->record_type = swapped(type);
	key->domain_len = length;
	return 1;
}

INLINE void place_query(struct dns_place *place, void *sk, u8 *server, u8 *head)
{
	__builtin_memset(place, 0, sizeof(*place));
	place->sk = (u64)sk;
	__builtin_memcpy(place->server, server, sizeof(place->server));
	place->id = head[0] << 8 | head[1];
}

INLINE void count_query(struct control *c, struct dns_work *w, struct dns_place *place, void *at, u64 bytes, u8 qdcount)
{
	if (!qdcount || !read_question(w, at, bytes)) {
		__builtin_memset(w->query.key.domain, 0, sizeof(w->query.key.domain));
		w->query.key.domain_len = NO_LENGTH;
	}
	dns_queries.update(place, &w->query);
	struct dns_val *v = dns_cell(c, &w->query.key);
	if (v)
		ADD(v->queries, 1);
}

INLINE void count_answer(struct control *c, struct dns_work *w, struct dns_place *place, u8 *head, u64 now)
{
	struct dns_query *asked = dns_queries.lookup(place);
	if (!asked)
		return;
	bpf_probe_read_kernel(&w->query, sizeof(w->query), asked);
	dns_queries.delete(place);
	w->query.key.answer = head[3] & DNS_RCODE;
	struct dns_val *v = dns_cell(c, &w->query.key);
	if (!v)
		return;
	u64 ns = now > w->query.ts ? now - w->query.ts : 0;
	ADD(v->answers, 1);
	ADD(v->answer_ns, ns);
	if (head[2] & DNS_TRUNCATED)
		ADD(v->truncated_answers, 1);
	if (ns > v->max_answer_ns)
		v->max_answer_ns = ns;
}

// Notes a message of the current call that goes to, or comes from, port 53. Returns 0 if there is no room.
INLINE int note_dns(u64 place, struct peer_key *peer, u32 message, u32 bytes)
{
	int zero = 0;
	struct dns_work *w = dns_work.lookup(&zero);
	if (!w || place >= MOST_DNS) {
		lose(LOSS_dns_unreadable);
		return 0;
	}
	BOUND_HERE(place);
	struct dns_peer *noted = &w->peers[place % MOST_DNS];
	__builtin_memcpy(noted->address, peer->remote_address, sizeof(noted->address));
	noted->address_len = peer->remote_address_len;
	noted->family = peer->family;
	noted->message = message;
	noted->bytes = bytes;
	return 1;
}

INLINE void begin_dns_key(struct dns_key *key, struct dns_peer *peer, u64 start)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->start = start;
	key->pid = bpf_get_current_pid_tgid() >> 32;
	key->family = peer->family;
	key->answer = NO_CHOICE;
	key->remote_address_len = peer->address_len;
	__builtin_memcpy(key->remote_address, peer->address, sizeof(key->remote_address));
}

// A message of the current process, whose bytes are at `at`. `when`: it was sent, or read.
INLINE void look_at_dns(struct control *c, struct dns_work *w, void *sk, struct dns_peer *peer, u64 start, int receives,
                        void *at, u64 bytes, u64 when)
{
	struct cpu_state *cpu = this_cpu();
	FORGET(bytes, (u64)sk);  // the ways to get here differ in what is known of both
	FORGET(at, (u64)sk);
	if (!cpu || bytes < DNS_HEADER || !at)
		return;
	u32 since = switches_of(cpu);
	u8 *head = w->head;
	if (bpf_probe_read_user(head, sizeof(w->head), at)) {
		lose(LOSS_dns_unreadable);
		return;
	}
	if (!(head[2] & DNS_RESPONSE) == receives)
		return;
	place_query(&w->place, sk, peer->address, head);
	if (receives) {
		count_answer(c, w, &w->place, head, when);
	} else {
		begin_dns_key(&w->query.key, peer, start);
		w->query.ts = when;
		count_query(c, w, &w->place, at, bytes, head[4] | head[5]);
	}
	if (SWITCHED(cpu, since))  // another thread may have used the same memory
		lose(LOSS_dns_unreadable);
}
#endif
