package panosim

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/candidate"
)

// hangLimit bounds Hang for clients that never give up.
const hangLimit = time.Minute

// defaultSize is that of Garbage and Pad.
const defaultSize = 1 << 20

// ServeHTTP answers one call.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.life.enter() {
		// Close has begun: the connection is about to be cut.
		panic(http.ErrAbortHandler)
	}
	defer s.life.leave()
	defer s.meter.begin()()
	switch {
	case r.URL.Path != "/api" && r.URL.Path != "/api/":
		send(w, answer.Page(http.StatusNotFound))
		return
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		send(w, answer.Page(http.StatusMethodNotAllowed))
		return
	}
	c := understand(w, r, s.opts.MaxRequest)
	s.meter.call(c)
	s.mu.Lock()
	latency := s.latency
	s.mu.Unlock()
	// A firewall that is slow carries out what it was asked whether or not anybody still waits for the answer.
	if !s.life.wait(context.Background(), latency) {
		panic(http.ErrAbortHandler)
	}
	if a, starting := s.boot.answer(); starting {
		send(w, a)
		return
	}
	fault, met := s.faults.next(c.kind)
	if !met {
		send(w, s.answer(c))
		return
	}
	s.meter.faulted()
	s.suffer(w, r, c, fault)
}

// suffer answers a call as the fault has it.
func (s *Sim) suffer(w http.ResponseWriter, r *http.Request, c *call, f Fault) {
	var a answer.Answer
	if f.Applied {
		a = s.answer(c)
	}
	if f.reboot {
		s.Reboot()
	}
	if f.Effect == Drip {
		if !f.Applied {
			a = s.answer(c)
		}
		drip(w, r, a, f.Delay, s.life)
		return
	}
	if f.Effect == Hang {
		if f.Delay <= 0 {
			f.Delay = hangLimit
		}
		s.life.wait(r.Context(), f.Delay)
		reset(w)
		return
	}
	if !s.life.wait(r.Context(), f.Delay) {
		panic(http.ErrAbortHandler)
	}
	switch f.Effect {
	case Reset:
		reset(w)
	case Flood:
		flood(w, f.size())
	case Deliver, Truncate, Break, WrongType, Pad:
		if !f.Applied {
			a = s.answer(c)
		}
		f.spoil(w, a)
	default:
		send(w, f.instead())
	}
}

// spoil sends the right answer, damaged.
func (f Fault) spoil(w http.ResponseWriter, a answer.Answer) {
	switch f.Effect {
	case Truncate:
		a.Body = a.Body[:len(a.Body)/2]
	case Break:
		w.Header().Set("Content-Type", a.ContentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(a.Body)))
		w.WriteHeader(a.Status)
		_, _ = w.Write(a.Body[:len(a.Body)/2])
		_ = http.NewResponseController(w).Flush()
		// Ends the connection, with less than was promised.
		panic(http.ErrAbortHandler)
	case WrongType:
		a.ContentType = "text/html; charset=UTF-8"
	case Pad:
		a.Body = append(a.Body, bytes.Repeat([]byte(" "), max(0, f.size()-len(a.Body)))...)
	}
	send(w, a)
}

// instead gives the answer that comes in place of the right one.
func (f Fault) instead() answer.Answer {
	switch f.Effect {
	case HTML:
		if f.Status == 0 {
			f.Status = http.StatusServiceUnavailable
		}
		return answer.Page(f.Status)
	case Garbage:
		noise := "not XML & no end \x00"
		body := bytes.Repeat([]byte(noise), f.size()/len(noise)+1)[:f.size()]
		return answer.Answer{Status: http.StatusOK, ContentType: answer.ContentType, Body: body}
	case SessionTimeout:
		return answer.Failure(22, "Session timed out")
	case InternalError:
		return answer.Failure(11, "Internal error")
	case Forbidden:
		return answer.Forbidden("Invalid Credential")
	case Refuse:
		return answer.Failure(f.Status, cmp.Or(f.Text, "Timed out while getting config lock. Please try again."))
	case OtherDevice:
		return answer.Answer{Status: http.StatusOK, ContentType: "text/html; charset=utf-8", Body: []byte(otherPage)}
	}
	return answer.Answer{Status: http.StatusOK, ContentType: answer.ContentType} // Empty
}

func (f Fault) size() int {
	switch {
	case f.Size != 0:
		return f.Size
	case f.Effect == Flood:
		return floodSize
	}
	return defaultSize
}

// answer carries the call out, if it may be.
func (s *Sim) answer(c *call) answer.Answer {
	if c.free {
		return c.run(s, c)
	}
	var ok bool
	if c.admin, ok = s.keyOwner(c.key); !ok {
		s.meter.refused()
		return answer.Forbidden("Invalid Credential")
	}
	kind := c.form.Get("type")
	s.mu.Lock()
	allowed, how := !s.denied[kind] && s.config.Allows(c.admin, kind), s.dialect.Denied
	s.mu.Unlock()
	if !allowed {
		return candidate.RefuseRole(how, kind)
	}
	return s.carryOut(c)
}

// carryOut does what the call asks, by an administrator who may.
func (s *Sim) carryOut(c *call) answer.Answer {
	if a, done := s.panorama.answer(c); done {
		return a
	}
	if s.seat.Load().refuses(c) {
		return answer.Failure(15, textPassive)
	}
	return c.run(s, c)
}

// send writes the answer. A client that went away is no concern of the firewall's.
func send(w http.ResponseWriter, a answer.Answer) {
	w.Header().Set("Content-Type", a.ContentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.Body)))
	if a.File != "" {
		w.Header().Set("Content-Disposition", "attachment; filename="+a.File) // unquoted, as clients read it
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// reset ends the connection as a crash or a firewall in between does: with a TCP reset, without an answer.
func reset(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		// Discarding what is unsent makes the kernel send a reset rather than a proper end.
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
