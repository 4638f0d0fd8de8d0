/* frame: the control protocol: one line a command, ';' separates several; words are bare, or quoted as "…" with \" \\ \n \r
 * \t \xHH inside, and what is quoted is an argument whatever it holds. Reply: "<severity> <text>\n", body, an empty line.
 * Last bare word "json": one JSON document as the body; "width=N": tables for a terminal of so many columns.
 * Severity: 6 done, 4 warning, 3 failed.
 * Pure functions. Layer: lib/ctl. */
#ifndef WEIR_CTL_FRAME_H
#define WEIR_CTL_FRAME_H

#include "lib/base/buf.h"

#define CTL_LINE_MAX 16384u
#define CTL_WORDS_MAX 16u
#define CTL_WIDTH_MAX 10000u

enum ctl_severity { CTL_FAILED = 3, CTL_WARNING = 4, CTL_DONE = 6 };

struct ctl_command {
	unsigned n_words;
	struct slice words[CTL_WORDS_MAX];	/* bare ones: clean UTF-8, in the line; quoted ones: any bytes but NUL, in text */
	struct slice source;			/* all of it as it was written: clean UTF-8, in the line */
	int wants_json;
	unsigned width;				/* of the asker's terminal; 0: any */
	char text[CTL_LINE_MAX];
};

/* The next command of *line, which moves behind it. 1 a command, 0 none left, -1 too many words, a control character, no
 * UTF-8, an open quote or an unknown escape: then *line is empty, since nobody knows where the next command begins. */
int ctl_parse(struct slice *line, struct ctl_command *ret);
/* word as a word of a line: bare where it can be, and never taken for anything but an argument. */
void ctl_quote(struct buf *out, struct slice word);
/* Append a whole reply; body lines that are empty become " " so that the empty line stays the end. */
void ctl_reply(struct buf *out, enum ctl_severity sev, const char *text, struct slice body);
/* Parse a reply at the front of data: bytes used up, 0 when not whole yet, -1 malformed. */
long ctl_parse_reply(struct slice data, int *ret_sev, struct slice *ret_text, struct slice *ret_body);

#endif
