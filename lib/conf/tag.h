/* tag: what can be said of cache tags before their values are known. Pure. Layer: lib/conf. */
#ifndef WEIR_CONF_TAG_H
#define WEIR_CONF_TAG_H

struct tag_template;

/* Is there a tag that both can give, by whatever values? user:{id} and user:7 meet, user:{id} and images do not. */
int tag_meets(const struct tag_template *a, const struct tag_template *b);

#endif
