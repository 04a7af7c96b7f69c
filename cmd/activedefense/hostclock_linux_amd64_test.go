package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"
)

// A hostClock is the clock of a host as a process sees it that runs with its file: it can be set, and time goes on by the monotonic clock
// as ever. No program can be told so by the system, so the process replaces in its own copy of the vDSO (vdso(7)) what answers
// clock_gettime.
type hostClock []byte

// hostClockFile names the file to a process that is to see its clock.
const hostClockFile = "TEST_HOST_CLOCK"

// newHostClock makes one in a file, which is right.
func newHostClock(path string) (hostClock, error) {
	if err := os.WriteFile(path, make([]byte, 8), 0o600); err != nil {
		return nil, err
	}
	return openHostClock(path)
}

func openHostClock(path string) (hostClock, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return syscall.Mmap(int(f.Fd()), 0, 8, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
}

// set has it ahead of the true clock by so many seconds; below 0: behind.
func (c hostClock) set(seconds int64) { binary.NativeEndian.PutUint64(c, uint64(seconds)) }

// wear has this process see it from now on.
func (c hostClock) wear() error {
	vdso, at, err := clockGettime()
	if err != nil {
		return err
	}
	// mov eax, clock_gettime; syscall; test edi, edi (the clock's number: CLOCK_REALTIME is 0); jnz ret; mov rcx, the file; mov rcx, [rcx];
	// add [rsi], rcx (the seconds of the answer); ret
	code := []byte{0xb8, syscall.SYS_CLOCK_GETTIME, 0, 0, 0, 0x0f, 0x05, 0x85, 0xff, 0x75, 16, 0x48, 0xb9}
	code = binary.LittleEndian.AppendUint64(code, uint64(uintptr(unsafe.Pointer(&c[0]))))
	code = append(code, 0x48, 0x8b, 0x09, 0x48, 0x01, 0x0e, 0xc3)
	if err := syscall.Mprotect(vdso, syscall.PROT_READ|syscall.PROT_WRITE|syscall.PROT_EXEC); err != nil {
		return err
	}
	copy(vdso[at:], code)
	return nil
}

// clockGettime gives the pages of this process's vDSO, and where in them clock_gettime is.
func clockGettime() (vdso []byte, at uint64, err error) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, 0, err
	}
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil || !strings.Contains(line, "[vdso]") {
			continue
		}
		vdso = unsafe.Slice((*byte)(unsafe.Add(nil, from)), to-from)
		image, err := elf.NewFile(bytes.NewReader(bytes.Clone(vdso)))
		if err != nil {
			return nil, 0, err
		}
		symbols, err := image.DynamicSymbols()
		for _, s := range symbols {
			if s.Name == "__vdso_clock_gettime" {
				return vdso, s.Value, nil
			}
		}
		return nil, 0, errors.Join(errors.New("the vDSO has no clock_gettime"), err)
	}
	return nil, 0, errors.New("this process has no vDSO")
}
