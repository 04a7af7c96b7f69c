package listen

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// room is what a spool takes and may take, in bytes. The disk is asked before each write: another program may fill it within a second.
type room struct {
	max           int64                      // of all files together
	disk          func(string) (disk, error) // of a folder
	used          atomic.Int64               // by all files
	most          atomic.Int64               // that may be used, as of the last look; less than max where the disk has less
	free, reserve atomic.Int64               // of the disk, as of the last look

	mu      sync.Mutex
	claimed int64 // by writes that are under way
}

// disk is what a file system has left, and what of that is not to be used, in bytes.
type disk struct{ free, reserve int64 }

// diskOf looks at the disk of a folder. As much of it as the database keeps for blocks is not used: 2 %, at least 1 GiB, at most a tenth.
func diskOf(dir string) (disk, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return disk{}, err
	}
	whole := int64(st.Blocks) * st.Bsize
	return disk{int64(st.Bavail) * st.Bsize, min(max(whole/50, 1<<30), whole/10)}, nil
}

// look asks the disk how much room there is. Where it does not say, writing will say what is wrong.
func (r *room) look(dir string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.measure(dir)
}

func (r *room) measure(dir string) {
	d, err := r.disk(dir)
	if err != nil {
		return
	}
	r.free.Store(d.free)
	r.reserve.Store(d.reserve)
	r.most.Store(min(r.max, r.used.Load()+max(d.free-d.reserve, 0)))
}

// claim takes room for a write; false: there is none. What was taken is given back by settle when the write is done and used is what it is then.
func (r *room) claim(dir string, n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.measure(dir)
	if r.used.Load()+r.claimed+n > r.most.Load() {
		return false
	}
	r.claimed += n
	return true
}

// settle undoes claim.
func (r *room) settle(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claimed -= n
}

// pressed tells whether so much is taken that what was read is to go soon.
func (r *room) pressed() bool { return r.used.Load() > r.most.Load()/2 }

// byDisk tells whether it is the disk that bounds it, and not its own size.
func (r *room) byDisk() bool { return r.most.Load() < r.max }
