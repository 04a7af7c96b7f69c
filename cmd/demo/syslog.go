package main

import (
	"bytes"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// A receiver takes the firewall's syslog over UDP and writes it into a file, as rsyslog does on a real host: the time of
// receipt in place of the priority and the time in the header.
type receiver struct {
	conn net.PacketConn
	file *os.File
	tell func(line string) // of every line, before it is in the file
	done sync.WaitGroup

	mu   sync.Mutex
	last map[string]string // the last line by its SrcIP
}

// listen opens a port of this machine and the file.
func listen(path string, tell func(line string)) (*receiver, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		file.Close()
		return nil, err
	}
	r := &receiver{conn: conn, file: file, tell: tell, last: make(map[string]string)}
	r.done.Go(r.receive)
	return r, nil
}

// address is where the firewall sends to, host:port.
func (r *receiver) address() string { return r.conn.LocalAddr().String() }

func (r *receiver) receive() {
	buffer := make([]byte, 64<<10)
	for {
		n, _, err := r.conn.ReadFrom(buffer)
		if err != nil {
			return // closed
		}
		// <PRI>Mmm dd hh:mm:ss host text
		_, message, ok := bytes.Cut(buffer[:n], []byte(">"))
		if !ok || len(message) < len(time.Stamp) {
			continue
		}
		line := time.Now().Format(time.RFC3339Nano) + string(message[len(time.Stamp):])
		r.tell(line)
		// A failed write shows as an attacker that is not blocked.
		_, _ = r.file.WriteString(line + "\n")
		r.mu.Lock()
		r.last[field(line, "SrcIP")] = line
		r.mu.Unlock()
	}
}

// lastOf is the last line of a source; "": there was none.
func (r *receiver) lastOf(source string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[source]
}

func (r *receiver) close() {
	r.conn.Close()
	r.done.Wait()
	r.file.Close()
}

// field is the value of a key in a line of the custom format; "" if it has none.
func field(line, key string) string {
	_, value, _ := strings.Cut(line, " "+key+"=")
	value, _, _ = strings.Cut(value, ";")
	return value
}
