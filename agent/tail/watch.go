package tail

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
)

// coalesce is the least time between two wakes: at thousands of lines a second, each waking us, many are read at once.
const coalesce = 5 * time.Millisecond

// watch listens for file system events, to wake. Without it, polling does. What is watched changes under Set.mu alone,
// which neither its goroutine nor wait takes: they share channels and atomics with the rest, and only one goroutine waits.
type watch struct {
	log     zerolog.Logger
	inputs  []input       // a copy of its own: of those of Set, files are counted
	wake    chan struct{} // holds one
	closed  chan struct{}
	dirty   atomic.Bool                        // names or permissions may have changed
	reading atomic.Pointer[map[string]*Stream] // by where their files lie now; what it points to does not change

	mu      sync.Mutex
	written map[string]struct{} // where something was written

	w       *fsnotify.Watcher // nil: none to be had
	folders map[string]inode  // watched, and what was watched under that name
	links   map[string]inode  // the same for symbolic links, whose files lie elsewhere
	refused bool              // said that something cannot be watched
	awake   time.Time         // when wait last returned for an event
	done    sync.WaitGroup
}

func startWatch(newWatcher func() (*fsnotify.Watcher, error), inputs []input, log zerolog.Logger) *watch {
	w := &watch{log: log, inputs: slices.Clone(inputs), wake: make(chan struct{}, 1), closed: make(chan struct{}),
		folders: map[string]inode{}, links: map[string]inode{}, written: map[string]struct{}{}}
	if newWatcher == nil {
		newWatcher = fsnotify.NewWatcher
	}
	var err error
	if w.w, err = newWatcher(); err != nil {
		w.refuse(err)
		return w
	}
	w.done.Go(w.listen)
	return w
}

// refuse says once that events are not to be had.
func (w *watch) refuse(err error) {
	if !w.refused {
		w.log.Warn().Err(err).Msg("file system events are unavailable; polling only")
	}
	w.refused = true
}

func (w *watch) listen() {
	for {
		select {
		case event, ok := <-w.w.Events:
			if !ok {
				return
			}
			w.consider(event)
		case _, ok := <-w.w.Errors:
			if !ok {
				return
			}
			// Events were lost, or a folder cannot be watched any more: look at everything.
			w.dirty.Store(true)
			w.ring()
		}
	}
}

// consider wakes for what concerns us: a folder may hold busy files that are not ours.
func (w *watch) consider(event fsnotify.Event) {
	if event.Op != fsnotify.Write {
		w.dirty.Store(true)
	}
	name := filepath.Clean(event.Name)
	if w.readAt(name) == nil && !slices.ContainsFunc(w.inputs, func(in input) bool { return in.matches(name) }) {
		return
	}
	w.mu.Lock()
	w.written[name] = struct{}{}
	w.mu.Unlock()
	w.ring()
}

// readAt gives the stream that reads a file at a path that is not the stream's own, nil if none does.
func (w *watch) readAt(path string) *Stream {
	if ours := w.reading.Load(); ours != nil {
		return (*ours)[path]
	}
	return nil
}

// fed gives the paths at which something was written, or has changed, since it was last asked.
func (w *watch) fed() map[string]struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.written) == 0 {
		return nil // never the map that goes on being written to
	}
	fed := w.written
	w.written = map[string]struct{}{}
	return fed
}

// works tells whether all that is wanted is watched.
func (w *watch) works() bool { return w.w != nil && !w.refused }

func (w *watch) ring() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watch) close() error {
	close(w.closed)
	if w.w == nil {
		return nil
	}
	err := w.w.Close()
	w.done.Wait()
	return err
}

// keep watches what is to be watched under a name, anew if something else lies there than before.
func (w *watch) keep(in map[string]inode, name string, key inode) {
	if in[name] == key {
		return
	}
	if _, ok := in[name]; ok {
		_ = w.w.Remove(name) // it may be gone with what it watched
		delete(in, name)
	}
	if err := w.w.Add(name); err != nil {
		w.refuse(err)
		return
	}
	in[name] = key
}

// drop ends the watching of what is not wanted any more, and takes note of what the system ended by itself: a folder
// that was deleted, or moved away, is not watched any more, though the one that is there now may have its inode.
func (w *watch) drop(in map[string]inode, wanted map[string]inode) {
	watched := map[string]bool{}
	for _, name := range w.w.WatchList() {
		watched[name] = true
	}
	for name := range in {
		if !watched[name] {
			delete(in, name)
		} else if _, ok := wanted[name]; !ok {
			_ = w.w.Remove(name)
			delete(in, name)
		}
	}
}

// follow watches folders and the files behind symbolic links, by path, and wakes for what is being read as well.
func (w *watch) follow(reading map[string]*Stream, folders, links map[string]inode) {
	w.reading.Store(&reading)
	if w.w == nil {
		return
	}
	w.drop(w.folders, folders)
	w.drop(w.links, links)
	for path, key := range folders {
		w.keep(w.folders, path, key)
	}
	for path, key := range links {
		w.keep(w.links, path, key)
	}
}

// ended tells whether close was called.
func (w *watch) ended() bool {
	select {
	case <-w.closed:
		return true
	default:
		return false
	}
}

// wait returns nil after an event or the time given, and an error when the context or the watch ended.
func (w *watch) wait(ctx context.Context, most time.Duration) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closed:
		return errClosed
	case <-timer.C:
		return nil
	case <-w.wake:
	}
	if rest := coalesce - time.Since(w.awake); rest > 0 {
		timer.Reset(rest)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.closed:
			return errClosed
		case <-timer.C:
		}
		select { // what came meanwhile is seen by what follows this return
		case <-w.wake:
		default:
		}
	}
	w.awake = time.Now()
	return nil
}

// rewatch watches the folders that are there, and the files behind symbolic links.
func (s *Set) rewatch() {
	reading := map[string]*Stream{}
	for _, f := range s.known.open {
		reading[f.where] = f.stream
	}
	links := map[string]inode{}
	for path := range s.streams {
		if e, ok := s.folders.entry(path); ok && e.link && e.regular() {
			links[path] = e.key
		}
	}
	s.watch.follow(reading, s.folders.watchable(), links)
}

// Wait returns nil when something may have happened to a file, or the PollInterval has passed, or a stream stopped
// before it was at its end so as not to hold up others; and the context's error when that ended, [os.ErrClosed] after
// Close. Many events in a row make it return every few milliseconds, not for each.
func (s *Set) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.watch.ended() {
		return errClosed
	}
	if s.more.Swap(false) {
		return nil
	}
	return s.watch.wait(ctx, s.poll)
}
