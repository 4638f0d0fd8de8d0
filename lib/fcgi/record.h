/* record: the bytes of FastCGI records, for the files of this folder.
 * Pure. Layer: lib/fcgi. */
#ifndef WEIR_FCGI_RECORD_H
#define WEIR_FCGI_RECORD_H

#include <fastcgi.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/slice.h"

#define RECORD_HEADER 8u
#define RECORD_END 16u /* END_REQUEST: header and content */

struct record {
	uint8_t type, padding;
	uint16_t id, content;
};

static inline unsigned record_u16(const char *p)
{
	return (unsigned)(unsigned char)p[0] << 8 | (unsigned char)p[1];
}

/* Read a header; -1 for another version than 1. */
static inline int record_parse(const char *p, struct record *r)
{
	r->type = (uint8_t)p[1];
	r->id = (uint16_t)record_u16(p + 2);
	r->content = (uint16_t)record_u16(p + 4);
	r->padding = (uint8_t)p[6];
	return (unsigned char)p[0] == FCGI_VERSION_1 ? 0 : -1;
}

static inline void record_put(unsigned char out[RECORD_HEADER], unsigned type, uint16_t id,
			      size_t content)
{
	out[0] = FCGI_VERSION_1;
	out[1] = (unsigned char)type;
	out[2] = (unsigned char)(id >> 8);
	out[3] = (unsigned char)id;
	out[4] = (unsigned char)(content >> 8);
	out[5] = (unsigned char)content;
	out[6] = out[7] = 0;
}

static inline void record_put_end(unsigned char out[RECORD_END], uint16_t id, uint32_t app_status,
				  unsigned protocol_status)
{
	record_put(out, FCGI_END_REQUEST, id, RECORD_END - RECORD_HEADER);
	out[8] = (unsigned char)(app_status >> 24);
	out[9] = (unsigned char)(app_status >> 16);
	out[10] = (unsigned char)(app_status >> 8);
	out[11] = (unsigned char)app_status;
	out[12] = (unsigned char)protocol_status;
	out[13] = out[14] = out[15] = 0;
}

#endif
