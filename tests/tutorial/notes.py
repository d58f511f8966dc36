# ruff: noqa  # it stays as a newcomer types it
"""The program of a course: a folder of pictures and a CSV file, LeNet, a training loop, and the model saved twice."""

import csv
import sys
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from PIL import Image
from torch.utils.data import DataLoader, Dataset


class DigitsDataset(Dataset):
    def __init__(self, csv_file, root_dir):
        with open(csv_file) as f:
            self.rows = list(csv.DictReader(f))
        self.root_dir = Path(root_dir)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, idx):
        row = self.rows[idx]
        image = Image.open(self.root_dir / row["filename"]).convert("L")
        pixels = torch.tensor(list(image.tobytes()), dtype=torch.float32).view(1, 28, 28)
        return (pixels / 255 - 0.1307) / 0.3081, int(row["label"])


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        # 1 input image channel, 6 output channels, 3x3 square convolution kernel
        self.conv1 = nn.Conv2d(1, 6, 3)
        self.conv2 = nn.Conv2d(6, 16, 3)
        # an affine operation: y = Wx + b
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, self.num_flat_features(x))
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = self.fc3(x)
        return x

    def num_flat_features(self, x):
        size = x.size()[1:]  # all dimensions except the batch dimension
        num_features = 1
        for s in size:
            num_features *= s
        return num_features


def train(model, loader, epochs):
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=0.003)
    model.train()
    for epoch in range(epochs):
        running_loss = 0.0
        for inputs, labels in loader:
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        print(f"epoch {epoch + 1}: loss {running_loss / len(loader):.3f}", file=sys.stderr)


def test(model, loader):
    correct = total = 0
    model.eval()
    with torch.no_grad():
        for inputs, labels in loader:
            _, predicted = torch.max(model(inputs), 1)
            total += labels.size(0)
            correct += (predicted == labels).sum().item()
    return correct / total


if __name__ == "__main__":
    torch.manual_seed(0)
    trainset = DigitsDataset("train.csv", "train")
    testset = DigitsDataset("test.csv", "test")
    model = LeNet()
    train(model, DataLoader(trainset, batch_size=32, shuffle=True), epochs=4)
    print(test(model, DataLoader(testset, batch_size=50)))

    torch.save(model.state_dict(), "model_weights.pth")
    torch.save(model, "model.pth")

    again = LeNet()
    again.load_state_dict(torch.load("model_weights.pth"))
    again.eval()
    whole = torch.load("model.pth", weights_only=False)
    whole.eval()
    inputs, _ = next(iter(DataLoader(testset, batch_size=10)))
    assert torch.equal(again(inputs), whole(inputs))
