package api

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A room has so many places, and so many of them for each client. Where it is full, who comes takes the place of one who is not at work: of
// himself where he has as many as each may have, else of who has the most, and there of the one who has waited for longest. Safe for concurrent use.
type room struct {
	most, each int

	mu    sync.Mutex
	taken []*place // those that wait in the order in which they began to
}

// A place is one that is taken. A live stream waits from its beginning, for events.
type place struct {
	client string
	atWork bool
	yield  func() // has its holder go
}

// enter gives a place to a client, whom yield has leave it; nil: there is none.
func (r *room) enter(client string, yield func()) *place {
	p := &place{client: client, yield: yield}
	gone, ok := r.seat(p)
	if gone != nil {
		gone.yield()
	}
	if !ok {
		return nil
	}
	return p
}

// seat seats a place, and gives the one who has to go for it, if any.
func (r *room) seat(p *place) (gone *place, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	count := make(map[string]int)
	for _, other := range r.taken {
		count[other.client]++
	}
	own := count[p.client]
	if len(r.taken) >= r.most || own >= r.each {
		goes := -1
		for i, other := range r.taken {
			if !other.atWork && (own < r.each || other.client == p.client) && count[other.client] >= own &&
				(goes < 0 || count[other.client] > count[r.taken[goes].client]) {
				goes = i
			}
		}
		if goes < 0 {
			return nil, false
		}
		gone = r.taken[goes]
		r.taken = slices.Delete(r.taken, goes, goes+1)
	}
	r.taken = append(r.taken, p)
	return gone, true
}

// leave gives a place back, if it is still had.
func (r *room) leave(p *place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.taken, p); i >= 0 {
		r.taken = slices.Delete(r.taken, i, i+1)
	}
}

// works says whether the holder of a place is at work, or waits from now on.
func (r *room) works(p *place, atWork bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.atWork = atWork
	if i := slices.Index(r.taken, p); i >= 0 {
		r.taken = append(slices.Delete(r.taken, i, i+1), p)
	}
}

const (
	mostBusy    = 64
	mostLive    = 32
	mostReading = 2 // of each seat; all together leave eight of the store's connections to others
	// readPatience is for how long one waits for its turn to read.
	readPatience = 10 * time.Second
)

// A seat is of whom a place is.
type seat struct{ local, operator, page bool }

// places are those of one seat.
type places struct {
	busy, reading chan struct{}
	live          room
}

func newPlaces() *places {
	return &places{make(chan struct{}, mostBusy), make(chan struct{}, mostReading), room{most: mostLive, each: mostLive}}
}

// take gives what gives a place back that a request takes, whose context ends where it has to yield that to another; nil: there is none.
func (p *places) take(route *route, c *call) (leave func()) {
	if route.live {
		ctx, cancel := context.WithCancel(c.r.Context())
		c.r = c.r.WithContext(ctx)
		place := p.live.enter(c.caller.Name, cancel) // nobody who follows is at work, so that there is one
		return func() { p.live.leave(place); cancel() }
	}
	select {
	case p.busy <- struct{}{}:
		return func() { <-p.busy }
	default:
		return nil
	}
}

// What is open at a time: at admin.listen in all and from one address, for descriptors are for log files and the list; and on the socket, where
// those who may do nothing are told so, and take no place of those who may, nor those who may look of those who act.
const (
	mostListened    = 256
	mostFromAddress = 128
	mostOperators   = 256
	mostViewers     = 128
	mostStrangers   = 8
)

// bounding is admin.listen's listener, which bounds what is open. What finds no place is closed unanswered.
type bounding struct {
	net.Listener
	room *room
}

// Accept gives the next connection that there is room for.
func (b *bounding) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
		if c := b.room.sit(conn, Caller{Name: from.Addr().Unmap().String()}); c != nil {
			return c, nil
		}
	}
}

// A seated is a connection that holds a place, at work while a request is being answered.
type seated struct {
	net.Conn
	caller Caller // over the socket, who that is; else the address alone
	room   *room
	place  *place
}

// sit gives a connection a place, or closes it: nil.
func (r *room) sit(conn net.Conn, from Caller) net.Conn {
	p := r.enter(from.Name, func() { conn.Close() })
	if p == nil {
		conn.Close()
		return nil
	}
	return &seated{conn, from, r, p}
}

func (c *seated) Close() error {
	defer c.room.leave(c.place)
	return c.Conn.Close()
}

// CloseWrite says that no more comes, so that who still sends can read the answer.
func (c *seated) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

type seatedKey struct{}

// connContext notes who is at the other end of a connection, and which place it has.
func connContext(ctx context.Context, conn net.Conn) context.Context {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	c, ok := conn.(*seated)
	if !ok {
		return ctx
	}
	if c.caller.Local {
		ctx = withCaller(ctx, c.caller)
	}
	return context.WithValue(ctx, seatedKey{}, c)
}

// working notes that a connection is at work while a request is being answered.
func working(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(seatedKey{}).(*seated); ok {
			c.room.works(c.place, true)
			defer c.room.works(c.place, false)
		}
		h.ServeHTTP(w, r)
	})
}
