// SPDX-License-Identifier: BSD-2-Clause
// A network card that is software (rdma_rxe): a map registers memory of kinds for devices while they grow, and the card
// writes and reads their blocks with the keys that the map finds, over a connection to itself. What arrives is what was
// sent, however often a block was freed before; what a map was told no more of, the card refuses.
// compile: -libverbs
#include "machine.h"
#include <infiniband/verbs.h>
#include <linux/netlink.h>
#include <memkind_ext.h>
#include <rdma/rdma_netlink.h>
#include <sys/socket.h>

#define CARD "rxe0"
#define LAN "dummy0"
#define ROUNDS 600
#define BLOCKS 100 // of each kind
#define LARGEST (MIB / 4)
#define SLAB (2 * MIB)

// ---- The card ----

struct card {
    struct ibv_context *context;
    struct ibv_pd *domain;
    struct ibv_comp_channel *events;
    struct ibv_cq *completions;
    struct ibv_qp *ends[2]; // orders go to the first
};

static void add_attribute(struct nlmsghdr *message, unsigned short type, const char *text)
{
    struct nlattr *attribute = (void *)((char *)message + NLMSG_ALIGN(message->nlmsg_len));
    attribute->nla_type = type;
    attribute->nla_len = NLA_HDRLEN + strlen(text) + 1;
    strcpy((char *)attribute + NLA_HDRLEN, text);
    message->nlmsg_len = NLMSG_ALIGN(message->nlmsg_len) + NLA_ALIGN(attribute->nla_len);
}

// Does what `rdma link add rxe0 type rxe netdev dummy0` does; 0 or an error number.
static int make_card(void)
{
    union {
        struct nlmsghdr header;
        char bytes[1024];
    } message = {.header = {.nlmsg_len = NLMSG_HDRLEN,
                            .nlmsg_type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_NEWLINK),
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};
    int status = -1, link = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_RDMA);
    add_attribute(&message.header, RDMA_NLDEV_ATTR_DEV_NAME, CARD);
    add_attribute(&message.header, RDMA_NLDEV_ATTR_LINK_TYPE, "rxe");
    add_attribute(&message.header, RDMA_NLDEV_ATTR_NDEV_NAME, LAN);
    if (link >= 0 && send(link, &message, message.header.nlmsg_len, 0) > 0 && recv(link, &message, sizeof(message), 0) > 0) {
        const struct nlmsgerr *answer = NLMSG_DATA(&message.header);
        status = message.header.nlmsg_type == NLMSG_ERROR ? -answer->error : EPROTO;
    }
    if (status < 0)
        status = errno;
    if (link >= 0)
        close(link);
    return status;
}

// The place of the card's IPv4 address in its table, where it appears some time after the card.
static int find_address(const struct card *card, union ibv_gid *address)
{
    for (int tries = 0; tries < 1000; tries++) {
        for (int index = 0; index < 8; index++)
            if (ibv_query_gid(card->context, 1, index, address) == 0 && address->raw[10] == 0xff && address->raw[11] == 0xff)
                return index;
        usleep(10000);
    }
    return -1;
}

static bool connect_ends(struct ibv_qp *end, const struct ibv_qp *other, int index, const union ibv_gid *address)
{
    struct ibv_port_attr port;
    struct ibv_qp_attr attributes = {.qp_state = IBV_QPS_INIT, .port_num = 1,
                                     .qp_access_flags = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE};
    if (ibv_query_port(end->context, 1, &port) ||
        ibv_modify_qp(end, &attributes, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS))
        return false;
    attributes.qp_state = IBV_QPS_RTR;
    attributes.path_mtu = port.active_mtu;
    attributes.dest_qp_num = other->qp_num;
    attributes.max_dest_rd_atomic = 1;
    attributes.min_rnr_timer = 12;
    attributes.ah_attr.is_global = 1;
    attributes.ah_attr.port_num = 1;
    attributes.ah_attr.grh.dgid = *address;
    attributes.ah_attr.grh.sgid_index = index;
    attributes.ah_attr.grh.hop_limit = 64;
    if (ibv_modify_qp(end, &attributes, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                                            IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER))
        return false;
    attributes.qp_state = IBV_QPS_RTS;
    attributes.timeout = 18;
    attributes.retry_cnt = 7;
    attributes.rnr_retry = 7;
    attributes.max_rd_atomic = 1;
    return !ibv_modify_qp(end, &attributes, IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
                                                IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC);
}

static bool open_card(struct card *card)
{
    struct ibv_device **all = ibv_get_device_list(NULL), **device = all;
    while (device && *device && strcmp(ibv_get_device_name(*device), CARD))
        device++;
    if (!device || !*device)
        return remark("libibverbs sees no " CARD), false;
    card->context = ibv_open_device(*device);
    ibv_free_device_list(all);
    if (!card->context || !(card->domain = ibv_alloc_pd(card->context)))
        return remark(CARD " cannot be opened: %s", strerror(errno)), false;
    card->events = ibv_create_comp_channel(card->context);
    card->completions = card->events ? ibv_create_cq(card->context, 16, NULL, card->events, 0) : NULL;
    struct ibv_qp_init_attr wanted = {.send_cq = card->completions, .recv_cq = card->completions, .qp_type = IBV_QPT_RC,
                                      .cap = {.max_send_wr = 4, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1}};
    for (int i = 0; i < 2; i++)
        if (!card->completions || !(card->ends[i] = ibv_create_qp(card->domain, &wanted)))
            return remark("no queue pair: %s", strerror(errno)), false;
    union ibv_gid address;
    const int index = find_address(card, &address);
    for (int i = 0; i < 2; i++)
        if (index < 0 || !connect_ends(card->ends[i], card->ends[1 - i], index, &address))
            return remark("no connection: %s", strerror(errno)), false;
    return true;
}

// transfer: the card takes `size` bytes at `here` to `there`, or fetches them from there; how it ended
static enum ibv_wc_status transfer(const struct card *card, enum ibv_wr_opcode operation, void *here, uint32_t here_key,
                                   void *there, uint32_t there_key, size_t size)
{
    struct ibv_sge piece = {.addr = (uintptr_t)here, .length = size, .lkey = here_key};
    struct ibv_send_wr order = {.sg_list = &piece, .num_sge = 1, .opcode = operation, .send_flags = IBV_SEND_SIGNALED}, *bad;
    struct ibv_wc completion;
    struct ibv_cq *queue;
    void *context;
    order.wr.rdma.remote_addr = (uintptr_t)there;
    order.wr.rdma.rkey = there_key;
    if (ibv_req_notify_cq(card->completions, 0) || ibv_post_send(card->ends[0], &order, &bad) ||
        ibv_get_cq_event(card->events, &queue, &context))
        return IBV_WC_GENERAL_ERR;
    ibv_ack_cq_events(queue, 1);
    return ibv_poll_cq(card->completions, 1, &completion) == 1 ? completion.status : IBV_WC_GENERAL_ERR;
}

// ---- The map ----

static int n_registered, n_growths;

static int add(void *card, void *address, size_t size, void **handle)
{
    *handle = ibv_reg_mr(((struct card *)card)->domain, address, size,
                         IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE);
    if (!*handle)
        return remark("%zu bytes cannot be registered: %s", size, strerror(errno)), 1;
    n_registered++;
    n_growths++;
    return 0;
}

static void forget(void *card, void *address, size_t size, void *handle)
{
    (void)card, (void)address, (void)size;
    if (ibv_dereg_mr(handle))
        remark("registered memory cannot be forgotten: %s", strerror(errno));
    n_registered--;
}

// The registered memory that has all of a block, or NULL.
static struct ibv_mr *registration(const struct memkind_map *map, const void *block, size_t size)
{
    struct memkind_range range;
    if (memkind_map_find(map, block, &range))
        return NULL;
    const struct ibv_mr *found = range.handle;
    const char *start = found->addr;
    return (const char *)block >= start && (const char *)block + size <= start + found->length ? range.handle : NULL;
}

// ---- Tests ----

static unsigned next(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void fill(void *block, size_t size, unsigned mark)
{
    unsigned char *bytes = block;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 31 + (i >> 8) + mark);
}

static bool holds(const void *block, size_t size, unsigned mark)
{
    const unsigned char *bytes = block;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (unsigned char)(i * 31 + (i >> 8) + mark))
            return false;
    return true;
}

struct setting {
    struct card card;
    struct memkind_map *map;
    memkind_t kinds[2 * MAX_NODES];
    int n_kinds;
};

// A kind like that of memkind_dma_kind(), but for slabs that are small.
static bool small_slabs(int node, memkind_t *kind)
{
    struct memkind_config *config = memkind_config_new();
    char list[8];
    snprintf(list, sizeof(list), "%d", node);
    memkind_config_set_options(config, MEMKIND_OPTION_PIN | MEMKIND_OPTION_NO_FORK);
    memkind_config_set_nodes(config, list, MEMKIND_NODES_PREFERRED);
    memkind_config_set_slab_size(config, SLAB);
    const int code = memkind_create_with_config(config, kind);
    memkind_config_delete(config);
    return code == 0;
}

static bool prepare(struct setting *setting)
{
    if (!open_card(&setting->card) || memkind_map_create(add, forget, 0, &setting->card, &setting->map))
        return remark("no map"), false;
    for (int node = 0; node < MAX_NODES; node++) {
        if (!(nodes_with_memory() >> node & 1))
            continue;
        // The second grows often.
        memkind_t *kinds = &setting->kinds[setting->n_kinds];
        if (memkind_dma_kind(node, 0, &kinds[0]) || !small_slabs(node, &kinds[1]))
            return remark("no kind for node %d", node), false;
        for (int i = 0; i < 2; i++, setting->n_kinds++)
            if (memkind_map_attach(setting->map, kinds[i]))
                return remark("a kind of node %d is not attached", node), false;
    }
    return true;
}

// Each kind's blocks are more the longer it goes on; half of them are small.
static int blocks_of_growing_kinds(const void *unused)
{
    static char *blocks[2 * MAX_NODES * BLOCKS];
    static size_t sizes[2 * MAX_NODES * BLOCKS];
    struct setting setting = {0};
    unsigned chance = 1;
    (void)unused;
    if (!prepare(&setting))
        return 1;
    const unsigned n_blocks = setting.n_kinds * BLOCKS;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct ibv_mr *keys[3];
        unsigned chosen[3];
        size_t size = LARGEST;
        for (int i = 0; i < 3; i++) {
            // Three that differ.
            const unsigned n = chosen[i] = next(&chance) % (1 + (n_blocks / 3 - 1) * round / ROUNDS) * 3 + i;
            memkind_t kind = setting.kinds[n % setting.n_kinds];
            if (!blocks[n] || next(&chance) % 2) {
                memkind_free(kind, blocks[n]);
                sizes[n] = next(&chance) % (next(&chance) % 2 ? LARGEST : PAGE) + 1;
                if (!(blocks[n] = memkind_malloc(kind, sizes[n])))
                    return remark("round %u: no %zu bytes", round, sizes[n]), 1;
            }
            if (!(keys[i] = registration(setting.map, blocks[n], sizes[n])))
                return remark("round %u: a block of %zu bytes is not registered", round, sizes[n]), 1;
            size = sizes[n] < size ? sizes[n] : size;
        }
        char *from = blocks[chosen[0]], *to = blocks[chosen[1]], *back = blocks[chosen[2]];
        fill(from, size, round);
        memset(to, 0, size);
        memset(back, 0, size);
        enum ibv_wc_status end =
            transfer(&setting.card, IBV_WR_RDMA_WRITE, from, keys[0]->lkey, to, keys[1]->rkey, size);
        if (end == IBV_WC_SUCCESS)
            end = transfer(&setting.card, IBV_WR_RDMA_READ, back, keys[2]->lkey, to, keys[1]->rkey, size);
        if (end != IBV_WC_SUCCESS)
            return remark("round %u: %zu bytes: %s", round, size, ibv_wc_status_str(end)), 1;
        if (!holds(to, size, round) || !holds(back, size, round))
            return remark("round %u: %zu bytes arrived changed", round, size), 1;
        if (round % 64 == 63)
            memkind_trim(setting.kinds[round / 64 % setting.n_kinds]);
    }
    size_t n_ranges = 0;
    for (int i = 0; i < setting.n_kinds; i++) {
        struct memkind_usage usage;
        memkind_get_usage(setting.kinds[i], &usage, sizeof(usage));
        n_ranges += usage.n_ranges;
    }
    if (n_growths < 2 * setting.n_kinds || (size_t)n_registered != n_ranges)
        remark("%zu ranges, %d registered, %d in all", n_ranges, n_registered, n_growths);
    memkind_map_destroy(setting.map);
    if (n_registered != 0)
        remark("%d are registered at the end", n_registered);
    return 0;
}

// The last transfer, since it ends the connection.
static int refused(const void *unused)
{
    struct setting setting = {0};
    (void)unused;
    if (!prepare(&setting))
        return 1;
    char *from = memkind_malloc(setting.kinds[0], PAGE), *to = memkind_malloc(setting.kinds[setting.n_kinds - 1], PAGE);
    struct ibv_mr *own = ibv_reg_mr(setting.card.domain, aligned_alloc(PAGE, PAGE), PAGE, IBV_ACCESS_LOCAL_WRITE);
    struct ibv_mr *known = to ? registration(setting.map, to, PAGE) : NULL;
    if (!from || !known || !own)
        return remark("no memory"), 1;
    const uint32_t key = known->rkey;
    fill(own->addr, PAGE, 1);
    enum ibv_wc_status end = transfer(&setting.card, IBV_WR_RDMA_WRITE, own->addr, own->lkey, to, key, PAGE);
    if (end != IBV_WC_SUCCESS || !holds(to, PAGE, 1))
        remark("registered: %s", ibv_wc_status_str(end));
    for (int i = 0; i < setting.n_kinds; i++)
        if (memkind_map_detach(setting.map, setting.kinds[i]))
            remark("not detached");
    if (n_registered != 0 || registration(setting.map, to, PAGE))
        remark("%d are registered", n_registered);
    fill(own->addr, PAGE, 2);
    end = transfer(&setting.card, IBV_WR_RDMA_WRITE, own->addr, own->lkey, to, key, PAGE);
    if (end != IBV_WC_REM_ACCESS_ERR || !holds(to, PAGE, 1))
        remark("forgotten: %s", ibv_wc_status_str(end));
    return 0;
}

int main(void)
{
    const int error = make_card();
    if (error != 0 && error != EEXIST) {
        printf("FAIL a card over " LAN ": %s\n", strerror(error));
        return 1;
    }
    run_test("RDMA between blocks while their kinds grow", blocks_of_growing_kinds, NULL);
    run_test("RDMA to what a map has forgotten", refused, NULL);
    return n_failed != 0;
}
