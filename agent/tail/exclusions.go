package tail

import "github.com/rs/zerolog"

// maxNamed bounds the memory of what was said already.
const maxNamed = 10_000

// exclusions is what is passed over: entries until they change, and what was said of which path. It does not judge, and
// says a thing once, however often it is come upon. Its user holds Set.mu.
type exclusions struct {
	log     zerolog.Logger
	settled map[string]state    // by path: what lay there when it was decided on
	named   map[string]struct{} // path and text
}

func newExclusions(log zerolog.Logger) exclusions {
	return exclusions{log: log, settled: map[string]state{}, named: map[string]struct{}{}}
}

// settle passes over what lies at a path until it changes.
func (x *exclusions) settle(path string, now state) { x.settled[path] = now }

// has tells whether an entry was passed over and has not changed since.
func (x *exclusions) has(e entry) bool {
	at, ok := x.settled[e.path]
	return ok && at == e.state()
}

// reconsider has everything looked at again: what was passed over as a copy may now be wanted.
func (x *exclusions) reconsider() { clear(x.settled) }

// prune forgets decisions about names that are gone.
func (x *exclusions) prune(there *folders) {
	for path := range x.settled {
		if _, ok := there.entry(path); !ok {
			delete(x.settled, path)
		}
	}
}

// name logs something about a path once.
func (x *exclusions) name(path, what string) { x.say(zerolog.InfoLevel, path, what) }

// say does so at a level, and tells whether it was said now.
func (x *exclusions) say(level zerolog.Level, path, what string) bool {
	key := path + "\x00" + what
	if _, ok := x.named[key]; ok {
		return false
	}
	if len(x.named) >= maxNamed {
		clear(x.named) // rather say something twice than grow without bound
	}
	x.named[key] = struct{}{}
	x.log.WithLevel(level).Str("path", path).Msg(what)
	return true
}
