package line

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sync/errgroup"
)

// Each reader gets everything, whatever pieces it reads in.
func TestWhatIsSharedReachesEachReaderWhole(t *testing.T) {
	data := make([]byte, 300_000)
	rand.NewChaCha8([32]byte{}).Read(data)
	var group errgroup.Group
	for i, r := range Share(t.Context(), bytes.NewReader(data), 3) {
		if i == 1 {
			r = iotest.HalfReader(r)
		}
		group.Go(func() error {
			got, err := io.ReadAll(r)
			if err == nil && !bytes.Equal(got, data) {
				err = errors.New("something else was read")
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	broken := errors.New("the disk is gone")
	if _, err := io.ReadAll(Share(t.Context(), iotest.ErrReader(broken), 1)[0]); !errors.Is(err, broken) {
		t.Errorf("an error of what is shared: %v", err)
	}
}

// With the context everything ends, also what waits for another reader or for what never comes.
func TestASharedReaderThatWaitsEndsWithTheContext(t *testing.T) {
	silent, writer := io.Pipe()
	defer writer.Close()
	for name, from := range map[string]io.Reader{"nothing comes": silent, "the other does not read": bytes.NewReader(make([]byte, 1<<20))} {
		ctx, cancel := context.WithCancel(t.Context())
		readers := Share(ctx, from, 2)
		ended := make(chan error, 1)
		go func() {
			_, err := io.ReadAll(readers[0])
			ended <- err
		}()
		cancel()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(patience):
			t.Fatalf("%s: it waits on", name)
		}
	}
}
