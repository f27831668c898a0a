package data

import "math/bits"

// Augmentation changes training images at random: a random crop of the padded image, which is a shift, and a mirror
// image. It is torchvision's RandomCrop(28, padding=CropPadding) and RandomHorizontalFlip before Resize. It works on
// the stored 28 x 28 pixels, not on the resized ones: a shift by two pixels then means the same for every network, and
// costs 784 bytes per image instead of 50,176. The padding is 0, which is the images' own background.
//
// What happens to an image depends on the seed, the epoch and the image's index alone, so that it is the same on
// whatever rank or worker, and in a resumed run. The zero value changes nothing.
type Augmentation struct {
	CropPadding int    // the largest shift up, down, left and right in pixels, at most the image's side
	Flip        bool   // mirror left and right with probability 1/2
	Seed        uint64 // picks the draws
	Epoch       int    // every epoch draws anew
}

func (a Augmentation) changes() bool { return a.CropPadding > 0 || a.Flip }

// Apply writes the changed image with index sample from src to dst, both [side, side]. They must not overlap.
func (a Augmentation) Apply(dst, src []byte, side, sample int) {
	down, right, flip := a.draw(sample)
	clear(dst[:side*side])
	for y := max(0, -down); y < min(side, side-down); y++ {
		from, to := src[(y+down)*side:(y+down+1)*side], dst[y*side:(y+1)*side]
		lo, hi := max(0, -right), min(side, side-right)
		if !flip {
			copy(to[lo:hi], from[lo+right:hi+right])
			continue
		}
		for x := lo; x < hi; x++ {
			to[side-1-x] = from[x+right]
		}
	}
}

// draw is the place of the crop relative to the image, and whether its content is mirrored.
func (a Augmentation) draw(sample int) (down, right int, flip bool) {
	r := splitmix64(splitmix64(splitmix64(a.Seed)^uint64(a.Epoch)) ^ uint64(sample))
	places := uint32(2*a.CropPadding + 1)
	down = below(uint32(r), places) - a.CropPadding
	r = splitmix64(r)
	right = below(uint32(r), places) - a.CropPadding
	return down, right, a.Flip && r>>63 == 1
}

// below maps 32 random bits to 0 up to, not including, n. The bias is n/2^32 at most.
func below(r, n uint32) int {
	high, _ := bits.Mul32(r, n)
	return int(high)
}

// splitmix64 is the mixing of S. Vigna's generator of that name.
func splitmix64(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
