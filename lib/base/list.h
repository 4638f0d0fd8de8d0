/* list: intrusive doubly linked ring.
 * Owner: the embedding structs. Not shared.
 * Layer: lib/base. */
#ifndef WEIR_BASE_LIST_H
#define WEIR_BASE_LIST_H

#include "lib/base/base.h"

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(l) {&(l), &(l)}
#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)
#define LIST_FOR(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
/* The entry may be taken out inside the loop. */
#define LIST_FOR_SAFE(it, nxt, head) \
	for (struct list *it = (head)->next, *nxt = it->next; it != (head); it = nxt, nxt = it->next)

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}
static inline int list_is_empty(const struct list *l)
{
	return l->next == l;
}
static inline void list_add_tail(struct list *head, struct list *e)
{
	e->prev = head->prev;
	e->next = head;
	head->prev->next = e;
	head->prev = e;
}
static inline void list_add_head(struct list *head, struct list *e)
{
	list_add_tail(head->next, e);
}
/* Safe on an entry that is in no list if list_init was called on it. */
static inline void list_del(struct list *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	list_init(e);
}
static inline struct list *list_first(struct list *head)
{
	return list_is_empty(head) ? NULL : head->next;
}

#endif
