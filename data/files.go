package data

// Canonical is where Zalando Research publishes Fashion-MNIST. It has no TLS; its content is trusted for its SHA-256
// alone.
const Canonical = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"

// Side is the height and the width of a Fashion-MNIST image in pixels; Classes is the number of its labels.
const (
	Side    = 28
	Classes = 10
)

// ClassNames are the labels' meanings, as the data set's authors spell them.
var ClassNames = [Classes]string{
	"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
}

// File is one of the data set's IDX files. It may lie in a folder under Name or, compressed, under Name + ".gz".
type File struct {
	Name   string
	Bytes  int64  // of the decompressed content
	SHA256 string // of the decompressed content, in hex: compressed copies differ between publishers
}

// Files is what makes up a data set. The images and labels of the same part have the same count.
type Files struct{ TrainImages, TrainLabels, TestImages, TestLabels File }

// FashionMNIST is the published data set of 60,000 training and 10,000 test images.
var FashionMNIST = Files{
	TrainImages: File{"train-images-idx3-ubyte", 16 + 60000*Side*Side, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
	TrainLabels: File{"train-labels-idx1-ubyte", 8 + 60000, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
	TestImages:  File{"t10k-images-idx3-ubyte", 16 + 10000*Side*Side, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
	TestLabels:  File{"t10k-labels-idx1-ubyte", 8 + 10000, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
}

// fileCount is the number of Files.
const fileCount = 4

func (f Files) all() [fileCount]File {
	return [4]File{f.TrainImages, f.TrainLabels, f.TestImages, f.TestLabels}
}
