package agent

import (
	"bytes"
	"strings"
	"sync"
	"time"
)

// A lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

const testTag = "active-defense"

// count tells how often the log says something.
func (l *lockedBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}
