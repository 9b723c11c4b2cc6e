#include <stdlib.h>

#include "core/mem.h"
#include "workers/streams.h"

struct streams *streams_get(struct worker *w)
{
	if (unlikely(w->streams == NULL)) {
		w->streams = mem_zalloc(1, sizeof(*w->streams));
		stream_buffers_init(&w->streams->io);
	}
	return w->streams;
}

/*
 * Either side can give the other something to do: an answer that is written makes room for the
 * client's next query, a server that turns out dead fails queries. It ends, because each round uses
 * up input that clients have sent, or one of a query's attempts.
 */
void streams_flush(struct worker *w)
{
	struct streams *ss = w->streams;

	while (ss != NULL && (ss->dirty_clients != NULL || ss->dirty_servers != NULL ||
			      (ss->clients_moved && ss->paused_servers != NULL))) {
		stream_clients_flush(w, ss);
		stream_upstreams_flush(w, ss);
	}
}

void streams_fini(struct worker *w)
{
	if (w->streams == NULL)
		return;
	stream_buffers_fini(&w->streams->io);
	free(w->streams->listeners);
	free(w->streams);
	w->streams = NULL;
}
