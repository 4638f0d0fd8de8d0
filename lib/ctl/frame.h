/* frame: the control protocol: one line a command, ';' separates several, ≤ 4096
 * bytes; reply: "<severity> <text>\n", body, an empty line. Suffix word "json": one JSON document as
 * the body; "width=N": tables for a terminal of so many columns. Severity: 6 done, 4 warning, 3 failed.
 * Pure functions. Layer: lib/ctl. */
#ifndef WEIR_CTL_FRAME_H
#define WEIR_CTL_FRAME_H

#include "lib/base/buf.h"

#define CTL_LINE_MAX 4096u
#define CTL_WORDS_MAX 16u
#define CTL_WIDTH_MAX 10000u

enum ctl_severity { CTL_FAILED = 3, CTL_WARNING = 4, CTL_DONE = 6 };

struct ctl_command {
	unsigned n_words;
	struct slice words[CTL_WORDS_MAX];	/* into the line */
	int wants_json;
	unsigned width;				/* of the asker's terminal; 0: any */
};

/* The next command of *line (cut at ';'), which moves behind it. 1 a command, 0 none left, -1 too many words
 * or a control character. */
int ctl_parse(struct slice *line, struct ctl_command *ret);
/* Append a whole reply; body lines that are empty become " " so that the empty line stays the end. */
void ctl_reply(struct buf *out, enum ctl_severity sev, const char *text, struct slice body);
/* Parse a reply at the front of data: bytes used up, 0 when not whole yet, -1 malformed. */
long ctl_parse_reply(struct slice data, int *ret_sev, struct slice *ret_text, struct slice *ret_body);

#endif
