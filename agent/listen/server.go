package listen

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
)

// Input is one address to listen on.
type Input struct {
	URL       string         // as configured, such as tcp://0.0.0.0:5514; what it is called
	Network   string         // udp, tcp or tls
	Address   string         // host:port
	TLS       TLS            // for tls
	Allow     []netip.Prefix // who may send; empty: everybody, who has a certificate of TLS.ClientCAFile
	SpoolSize int64          // bytes
	// Reading says how its lines are read. It is kept beside them, for when the input listens no more or reads otherwise; empty: it is not known then.
	Reading []byte
}

// Options are what a Server needs. Positions and Former may be nil; Readable may be where the folder is new.
type Options struct {
	Dir     string // of the spools
	Inputs  []Input
	Sockets *Sockets
	// Positions gives how far the files were read, as it is stored.
	Positions func(context.Context) ([]Position, error)
	// Readable says why lines cannot be read by the Reading of an input that was; nil: they can.
	Readable func(reading []byte) error
	// Former is the server before in the same process, which has stopped: its counts go on.
	Former *Server
	Logger zerolog.Logger
	Now    func() time.Time
}

// keepEvery is how often old files are looked for, and soonEvery how often where room is wanted.
const (
	keepEvery = 10 * time.Second
	soonEvery = time.Second
)

// Server listens on the addresses of all inputs.
type Server struct {
	opts      Options
	listeners []*listener
	former    []*former
}

// Pattern gives the files of an input, as tail reads them: those that are written to.
func Pattern(dir string, in *Input) string {
	return filepath.Join(quoteMeta(dir), folderOf(in), "*"+suffix)
}

// folderOf names the folder of an input: after where it listens and, behind a full stop, after how its lines are read. So whatever was received is read
// as it was when it was received, also where the input reads otherwise since.
func folderOf(in *Input) string {
	if len(in.Reading) == 0 {
		return addressOf(in)
	}
	sum := sha256.Sum256(in.Reading)
	return addressOf(in) + "." + hex.EncodeToString(sum[:readingDigest])
}

// readingDigest is how many bytes of the SHA-256 of a Reading stand in a folder's name.
const readingDigest = 8

// addressOf is a folder's name without how its lines are read, as earlier versions named it.
func addressOf(in *Input) string {
	host, port, _ := net.SplitHostPort(in.Address) // it was validated
	return in.Network + "-" + cmp.Or(host, "any") + "-" + port
}

// quoteMeta has a path taken literally by filepath.Match.
func quoteMeta(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// New opens the spools and the sockets. Nothing is taken from them before Run. The caller must Close the server. An error names the input's URL, and has left
// all sockets and connections as they were; without one, those of inputs that are no more are closed: it is to be the last of what may fail.
func New(o Options) (*Server, error) {
	s := &Server{opts: o}
	for i := range o.Inputs {
		l, err := newListener(&o.Inputs[i], &s.opts)
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", o.Inputs[i].URL, err)
		}
		s.listeners = append(s.listeners, l)
	}
	if err := o.Sockets.take(s.listeners); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	for _, l := range s.listeners {
		if former := o.Former.find(l.URL); former != nil {
			l.goOn(former)
		}
	}
	o.Sockets.keep(o.Inputs)
	s.former = formerOf(&s.opts)
	return s, nil
}

func (s *Server) find(url string) *listener {
	if s == nil {
		return nil
	}
	for _, l := range s.listeners {
		if l.URL == url {
			return l
		}
	}
	return nil
}

// Close gives back what New took, but for the sockets. It is called after Run has returned.
func (s *Server) Close() error {
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.close())
	}
	return errors.Join(errs...)
}

// Run takes messages until ctx ends; then it takes what has arrived by that moment, and leaves connections to the next server on the same Sockets.
func (s *Server) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range s.listeners {
		group.Go(func() error { return l.run(ctx) })
		group.Go(func() error { s.keep(ctx, l); return nil })
	}
	for _, f := range s.former {
		group.Go(func() error { f.run(ctx, s.opts.Positions); return nil })
	}
	return group.Wait()
}

// keep looks after a spool until ctx ends.
func (s *Server) keep(ctx context.Context, l *listener) {
	failing := false
	for {
		err := l.spool.keepOnce(ctx, s.opts.Positions)
		if err != nil && ctx.Err() == nil && !failing {
			l.log.Warn().Err(err).Msg("cannot look after the spool; retrying")
		}
		failing = err != nil
		l.noteLosses()
		wait := keepEvery
		if l.spool.pressed() || l.udp != nil {
			wait = soonEvery
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-l.spool.wake:
			select { // it wakes with every write that fails
			case <-ctx.Done():
			case <-time.After(soonEvery / 10):
			}
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}
