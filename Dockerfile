# molweight on a CPU: docker build -t molweight . && docker run --rm -v "$PWD:/data" molweight fit my.csv
FROM python:3.12-slim

# RDKit's drawing code needs these two libraries; LightGBM needs OpenMP.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 libxext6 libxrender1 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY . .

# torch from the index of CPU builds: the default build brings gigabytes of CUDA libraries.
RUN pip install --no-cache-dir --constraint constraints.txt --index-url https://download.pytorch.org/whl/cpu torch \
    && pip install --no-cache-dir --constraint constraints.txt . \
    && rm -rf /src/*

RUN useradd --create-home molweight
USER molweight
WORKDIR /data
ENTRYPOINT ["molweight"]
CMD ["--help"]
