/* The floor of the capacity benchmark: a relay that does as little as can be done.
 *
 *     relay CALLS PBX_RATE_HZ
 *
 * Listens on three free ports of 127.0.0.1 and writes them to standard output: audio
 * from the line, audio to the line, AudioSocket. The first connection to each is of the
 * first call, and so on; "ready" follows when all are there. One epoll, one read and one
 * send an event, no batches; where the PBX side has 8 kHz each frame goes through a plain
 * half-band filter. No gain, no limiter, no clocks, no silence for a source that pauses.
 * Ends when standard input does.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TAPS = 47, HISTORY = TAPS - 1, LINE = 320, HEADER = 3, EVENTS = 256 };
enum { FROM_LINE, TO_LINE, PBX, SOCKETS };

typedef struct {
    int sockets[SOCKETS];
    int line_fill, pbx_fill;
    int16_t line[LINE];
    uint8_t message[HEADER + 2 * LINE];
    float down[HISTORY + LINE], up[HISTORY / 2 + LINE / 2];
} Call;

static float taps[TAPS];
static int narrow;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* A windowed sinc (Blackman) that passes a quarter of the sampling rate. */
static void make_taps(void) {
    const double pi = acos(-1);
    for (int k = 0; k < TAPS; k++) {
        double x = (k - TAPS / 2) / 2.0, at = 2 * pi * (k + 1) / (TAPS + 1);
        double window = 0.42 - 0.5 * cos(at) + 0.08 * cos(2 * at);
        taps[k] = (float)(window * 0.5 * (x == 0 ? 1 : sin(pi * x) / (pi * x)));
    }
}

static int16_t rounded(float sample) {
    return (int16_t)lrintf(fmaxf(-32768, fminf(32767, sample)));
}

static void decimate(Call *call, int16_t *out) {
    float *x = call->down;
    for (int n = 0; n < LINE; n++)
        x[HISTORY + n] = call->line[n];
    for (int n = 0; n < LINE / 2; n++) {
        float sum = 0;
        for (int k = 0; k < TAPS; k++)
            sum += taps[k] * x[2 * n + k];
        out[n] = rounded(sum);
    }
    memmove(x, x + LINE, HISTORY * sizeof *x);
}

/* Each phase of the filter sees every other tap. */
static void interpolate(Call *call, const int16_t *in, int16_t *out) {
    float *x = call->up;
    for (int n = 0; n < LINE / 2; n++)
        x[HISTORY / 2 + n] = in[n];
    for (int n = 0; n < LINE / 2; n++) {
        float even = 0, odd = 0;
        for (int k = 0; k <= HISTORY / 2; k++)
            even += taps[2 * k] * x[n + k];
        for (int k = 0; k < HISTORY / 2; k++)
            odd += taps[2 * k + 1] * x[n + k + 1];
        out[2 * n] = rounded(2 * even);
        out[2 * n + 1] = rounded(2 * odd);
    }
    memmove(x, x + LINE / 2, HISTORY / 2 * sizeof *x);
}

/* A frame that finds no room is lost; the benchmark counts it. */
static void give(int sock, const void *data, size_t size) {
    (void)!send(sock, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int from_line(Call *call) {
    ssize_t count = recv(call->sockets[FROM_LINE], (char *)call->line + call->line_fill,
                         sizeof call->line - call->line_fill, MSG_DONTWAIT);
    if (count <= 0)
        return 0;
    call->line_fill += count;
    if (call->line_fill < (int)sizeof call->line)
        return 1;
    call->line_fill = 0;
    int16_t samples[LINE];
    uint8_t message[HEADER + sizeof samples];
    size_t size = narrow ? LINE : 2 * LINE;
    if (narrow)
        decimate(call, samples);
    else
        memcpy(samples, call->line, size);
    message[0] = narrow ? 0x10 : 0x12;
    message[1] = (uint8_t)(size >> 8);
    message[2] = (uint8_t)size;
    memcpy(message + HEADER, samples, size);
    give(call->sockets[PBX], message, HEADER + size);
    return 1;
}

static int from_pbx(Call *call) {
    int size = HEADER + (narrow ? LINE : 2 * LINE);
    ssize_t count = recv(call->sockets[PBX], call->message + call->pbx_fill,
                         size - call->pbx_fill, MSG_DONTWAIT);
    if (count <= 0)
        return 0;
    call->pbx_fill += count;
    if (call->pbx_fill < size)
        return 1;
    call->pbx_fill = 0;
    int16_t in[LINE], out[LINE];
    memcpy(in, call->message + HEADER, size - HEADER);
    if (narrow)
        interpolate(call, in, out);
    give(call->sockets[TO_LINE], narrow ? out : in, sizeof out);
    return 1;
}

static int listen_on_free_port(int backlog, int *port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    int sock = socket(AF_INET, SOCK_STREAM, 0);
    if (sock < 0 || bind(sock, (struct sockaddr *)&at, size) || listen(sock, backlog) ||
        getsockname(sock, (struct sockaddr *)&at, &size))
        fail("listen");
    *port = ntohs(at.sin_port);
    return sock;
}

static void watch(int epoll, int sock, uint64_t tag) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, sock, &event))
        fail("epoll_ctl");
}

/* Standard input has nothing to say: it ends when nobody will come any more. */
static int accepted(int listener) {
    struct pollfd ends[] = {{listener, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    if (poll(ends, 2, -1) < 0)
        fail("poll");
    if (!ends[0].revents)
        exit(1);
    int sock = accept(listener, NULL, NULL);
    if (sock < 0)
        fail("accept");
    return sock;
}

static void accept_all(Call *calls, int count, int epoll) {
    int listeners[SOCKETS], ports[SOCKETS], yes = 1;
    for (int which = 0; which < SOCKETS; which++)
        listeners[which] = listen_on_free_port(count, &ports[which]);
    printf("%d %d %d\n", ports[FROM_LINE], ports[TO_LINE], ports[PBX]);
    fflush(stdout);
    for (int which = 0; which < SOCKETS; which++)
        for (int n = 0; n < count; n++) {
            int sock = accepted(listeners[which]);
            setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            calls[n].sockets[which] = sock;
            if (which != TO_LINE)
                watch(epoll, sock, (uint64_t)n * SOCKETS + which);
        }
}

int main(int argc, char **argv) {
    int count = argc == 3 ? atoi(argv[1]) : 0;
    if (count < 1)
        return 2;
    narrow = atoi(argv[2]) == 8000;
    make_taps();
    Call *calls = calloc(count, sizeof *calls);
    int epoll = epoll_create1(0);
    if (!calls || epoll < 0)
        fail("start");
    accept_all(calls, count, epoll);
    watch(epoll, STDIN_FILENO, UINT64_MAX);
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int n = 0; n < ready; n++) {
            uint64_t tag = events[n].data.u64;
            if (tag == UINT64_MAX)
                return 0;
            Call *call = &calls[tag / SOCKETS];
            int which = tag % SOCKETS;
            if (!(which == PBX ? from_pbx(call) : from_line(call)))
                epoll_ctl(epoll, EPOLL_CTL_DEL, call->sockets[which], NULL);
        }
    }
}
