package edl

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// certificateSource gives the certificate to serve from now on: old, if that is still the right one. With an error the old
// one stays. The leaf of what it gives is parsed.
type certificateSource interface {
	next(now time.Time, old *tls.Certificate) (*tls.Certificate, error)
}

// certificates hold the certificate that is served. Handshakes read it without waiting.
type certificates struct {
	source  certificateSource
	log     zerolog.Logger
	current atomic.Pointer[tls.Certificate] // nil: none since the start, because the own CA is not valid

	mu     sync.Mutex // for refresh
	tried  time.Time
	failed atomic.Pointer[string] // nil: the last refresh went well
	warned time.Time
}

const expiryWarning = 14 * 24 * time.Hour

func (c *certificates) start(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	first, err := c.source.next(now, nil)
	switch {
	case errors.Is(err, errAuthorityNotValid):
		// Not fatal: the rest of the program has more to do than to serve this list.
		c.fail(err)
	case err != nil:
		return err
	default:
		c.current.Store(first)
	}
	c.warn(now)
	return nil
}

// watch renews or reloads until ctx ends.
func (c *certificates) watch(ctx context.Context, every time.Duration, now func() time.Time) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.refresh(now())
		}
	}
}

// refresh is one pass of watch. A fault is logged when it is new; the old certificate stays.
func (c *certificates) refresh(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried = now
	old := c.current.Load()
	next, err := c.source.next(now, old)
	if err != nil {
		c.fail(err)
		c.warn(now)
		return
	}
	c.failed.Store(nil)
	if next != old {
		c.current.Store(next)
		c.warned = time.Time{}
		c.log.Info().Time("not_after", next.Leaf.NotAfter).Msg("the list has a new certificate")
	}
	c.warn(now)
}

// fail notes and logs a fault; the same one again is not logged.
func (c *certificates) fail(err error) {
	text := err.Error()
	if before := c.failed.Swap(&text); before == nil || *before != text {
		c.log.Error().Err(err).Msg("no new certificate for the list; the current one is kept")
	}
}

// warn tells once a day that the certificate ends soon or is not valid. It is called with mu held.
func (c *certificates) warn(now time.Time) {
	current := c.current.Load()
	if now.Sub(c.warned) < 24*time.Hour {
		return
	}
	if err := validAt(current, now); err != nil {
		c.warned = now
		c.log.Error().Err(err).Msg("connections to the list are closed until its certificate is valid")
	} else if end := current.Leaf.NotAfter; end.Sub(now) < min(expiryWarning, end.Sub(current.Leaf.NotBefore)/4) {
		c.warned = now
		c.log.Warn().Time("not_after", end).Msg("the list's certificate expires soon; after that, connections are closed")
	}
}

// usable gives the certificate if it is valid now. After a sleep of the machine it may be asked before watch had a chance
// to renew, so it tries that first, at most once a second.
func (c *certificates) usable(now time.Time) (*tls.Certificate, error) {
	current := c.current.Load()
	err := validAt(current, now)
	if err == nil {
		return current, nil
	}
	c.mu.Lock()
	again := now.Sub(c.tried) >= time.Second || now.Before(c.tried)
	c.mu.Unlock()
	if again {
		c.refresh(now)
		current = c.current.Load()
		err = validAt(current, now)
	}
	if err != nil {
		return nil, err
	}
	return current, nil
}

func (c *certificates) state() (notBefore, notAfter time.Time, failed string) {
	if text := c.failed.Load(); text != nil {
		failed = *text
	}
	if current := c.current.Load(); current != nil {
		notBefore, notAfter = current.Leaf.NotBefore, current.Leaf.NotAfter
	}
	return notBefore, notAfter, failed
}

// validAt looks at the leaf only: which of the certificates above it a client uses is the client's choice.
func validAt(c *tls.Certificate, now time.Time) error {
	if c == nil {
		return errors.New("there is no certificate")
	}
	switch leaf := c.Leaf; {
	case !now.Before(leaf.NotAfter):
		return fmt.Errorf("the certificate expired at %s", leaf.NotAfter.Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("the certificate is not valid before %s", leaf.NotBefore.Format(time.RFC3339))
	}
	return nil
}
