package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// openTerminal opens a pseudo-terminal: what is typed goes into the first, the program reads the second.
func openTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	var locked, number int32
	for request, value := range map[uintptr]*int32{syscall.TIOCSPTLCK: &locked, syscall.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, keyboard.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
			t.Fatal(errno)
		}
	}
	if terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return keyboard, terminal
}

func TestAPasswordIsTypedWithoutAnEcho(t *testing.T) {
	keyboard, terminal := openTerminal(t)
	k := &keygenCommand{app: &app{stdin: terminal, stderr: io.Discard}}
	if _, err := keyboard.WriteString("sword fish\r"); err != nil {
		t.Fatal(err)
	}
	if got, err := k.password(t.Context(), "Password: "); err != nil || got != "sword fish" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAnInterruptEndsTheWaitForAPassword(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	typed := make(chan []byte)
	_, err := interruptible(ctx, func() ([]byte, error) {
		interrupt()
		return <-typed, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	typed <- nil // the read goes on until the terminal answers
}
