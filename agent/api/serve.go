package api

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
)

// ServerOptions say where the API is served, and what beside it stands on admin.listen.
type ServerOptions struct {
	Socket   string   // path; "": there is none
	Lasting  *Lasting // has the socket outlive the server; nil: it ends with it
	Listen   string   // host:port; "": there is none
	NotReady func() []string
	Metrics  http.Handler
	Page     http.Handler // what else is asked for on Listen; nil: nothing
	// Certificate is what Listen is served with; nil: in the clear.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// A Server serves the API on the socket and on admin.listen, and there /healthz, /readyz, /metrics and /status too.
type Server struct {
	api    *API
	opts   ServerOptions
	socket net.Listener // nil: there is none
	listen net.Listener
}

// Listen opens the socket and the address. Who connects waits for Run.
func (a *API) Listen(o ServerOptions) (_ *Server, err error) {
	s := &Server{api: a, opts: o}
	if o.Socket != "" {
		listen := listenSocket
		if o.Lasting != nil {
			listen = o.Lasting.listen
		}
		if s.socket, err = listen(o.Socket, &a.opts.Config.Admin); err != nil {
			return nil, err
		}
	}
	if o.Listen != "" {
		if s.listen, err = net.Listen("tcp", o.Listen); err != nil {
			s.Close()
			return nil, fmt.Errorf("admin.listen: %w", err)
		}
	}
	return s, nil
}

// Addr is where admin.listen is; nil: nowhere.
func (s *Server) Addr() net.Addr {
	if s.listen == nil {
		return nil
	}
	return s.listen.Addr()
}

// Close stops listening, if Run has not.
func (s *Server) Close() error {
	for _, l := range []net.Listener{s.socket, s.listen} {
		if l != nil {
			l.Close() // after Run it is closed
		}
	}
	return nil
}

// Run serves until ctx ends, which ends what is being answered too.
func (s *Server) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if s.socket != nil {
		group.Go(func() error { return s.serve(ctx, s.socket, s.api, mostHeaderLocal) })
	}
	if s.listen != nil {
		var l net.Listener = &bounding{s.listen, &room{most: mostListened, each: mostFromAddress}}
		if s.opts.Certificate != nil {
			l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: s.opts.Certificate})
		}
		group.Go(func() error { return s.serve(ctx, l, s.Handler(), mostHeader) })
	}
	if s.api.opts.Config.Admin.TokensFile != "" {
		group.Go(func() error { return s.api.tokens.follow(ctx) })
	}
	return group.Wait()
}

// What the head of a request may take, bytes. A command may search for many values.
const (
	mostHeader      = 16 << 10
	mostHeaderLocal = 256 << 10
)

// serve serves one listener, and when the context ends answers, for a second at most, whom it has accepted.
func (s *Server) serve(ctx context.Context, l net.Listener, h http.Handler, header int) error {
	waiting := &unanswered{conns: make(map[net.Conn]bool)}
	server := &http.Server{
		ConnState: waiting.note,
		Handler:   working(h), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: header,
		BaseContext: func(net.Listener) context.Context { return ctx }, ConnContext: connContext,
		ErrorLog: log.New(quiet{s.api.opts.Log}, "", 0),
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	if err := server.Serve(l); ctx.Err() == nil {
		return fmt.Errorf("admin interface: %w", err)
	}
	// A server that shuts down closes unanswered what it had accepted and has not read yet, and who sent that would not know what came of it.
	server.SetKeepAlivesEnabled(false)
	grace, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	waiting.wait(grace)
	if server.Shutdown(grace) != nil {
		server.Close()
	}
	return nil
}

// unanswered are the connections on which a request is being read or answered.
type unanswered struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
	none  chan struct{} // closed when there are none, once somebody waits; nil: nobody does
}

// note is a server's ConnState.
func (u *unanswered) note(conn net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch state {
	case http.StateNew, http.StateActive:
		u.conns[conn] = true
	default:
		delete(u.conns, conn)
	}
	if len(u.conns) == 0 && u.none != nil {
		close(u.none)
		u.none = nil
	}
}

// wait waits until there are none, or the context ends.
func (u *unanswered) wait(ctx context.Context) {
	u.mu.Lock()
	none := make(chan struct{})
	if len(u.conns) > 0 {
		u.none = none
	} else {
		close(none)
	}
	u.mu.Unlock()
	select {
	case <-none:
	case <-ctx.Done():
	}
}

// quiet keeps what clients do wrong out of the log, unless it is asked for.
type quiet struct{ log zerolog.Logger }

func (q quiet) Write(b []byte) (int, error) {
	q.log.Debug().Msg("admin interface: " + strings.TrimSpace(string(b)))
	return len(b), nil
}

// Handler is what stands on admin.listen. /healthz and /readyz are for everybody, as is the rest where there are no tokens.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := s.opts.NotReady(); len(why) > 0 {
			http.Error(w, strings.Join(why, "\n"), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.Handle("GET /metrics", s.withToken(s.opts.Metrics))
	mux.Handle("GET /status", s.withToken(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = encodeIndented(w, s.api.opts.Status()) // an error means that the client has gone
	})))
	mux.Handle(Prefix, s.api)
	if s.opts.Page != nil {
		mux.Handle("/", s.opts.Page)
	}
	return bounded(mux)
}

// withToken asks for a token where there are any.
func (s *Server) withToken(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.api.opts.Config.Admin.TokensFile != "" {
			if _, err := s.api.tokens.bearer(r); err != nil {
				refuse(w, err)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

// bounded bounds the time of an answer, which the API does by itself.
func bounded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeWithin))
		h.ServeHTTP(w, r)
	})
}
